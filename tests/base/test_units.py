import pytest

from gonogo.base.units import dollars, duration, gibibytes, gigabytes


@pytest.mark.parametrize(
    ("size", "decimal", "binary"),
    [
        (0, "0 bytes", "0 bytes"),
        (999, "999 bytes", "999 bytes"),
        (3_700, "3.7 kB", "3.6 KiB"),
        (829_000_000, "829 MB", "791 MiB"),
        (999_999_999, "1.00 GB", "954 MiB"),
        (4 * 4 * 54_274_564, "868 MB", "828 MiB"),
        (206_100_000_000, "206.1 GB", "191.9 GiB"),
        (3_000_000_000_000, "3.00 TB", "2.73 TiB"),
    ],
)
def test_gb_and_gib_are_told_apart(size: int, decimal: str, binary: str) -> None:
    assert (gigabytes(size), gibibytes(size)) == (decimal, binary)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (37.4, "37 s"),
        (59.7, "1 min"),
        (725, "12 min 05 s"),
        (3599.8, "1 h"),
        (7500, "2 h 05 min"),
        (7199, "2 h"),
        (47.999 * 3600, "2 d"),
        (76 * 3600, "3 d 04 h"),
    ],
)
def test_durations_carry_over_when_they_round_up(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "$0.00"), (0.0004, "< $0.01"), (1.99 * 10 / 60, "$0.33"), (6, "$6.00"), (1234.5, "$1,234.50")],
)
def test_dollars(usd: float, text: str) -> None:
    assert dollars(usd) == text
