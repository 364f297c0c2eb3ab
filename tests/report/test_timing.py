import re

import pytest
from rich.cells import cell_len

from gonogo.report.timing import StageTiming, timing_table

ROWS = [
    StageTiming(experiment="cvs", stage="sample", wall_s=4.2, work_s=3.9),
    StageTiming(experiment="cvs", stage="measure_quality_sample", wall_s=2.1, work_s=0),
    StageTiming(experiment="cvs", stage="cloud_train", wall_s=90, work_s=45),
]


def test_each_stage_has_its_wall_work_and_overhead_and_the_totals_are_the_invocations() -> None:
    lines = timing_table(ROWS, wall_s=80, work_s=70, colour=False, width=100).splitlines()
    assert lines[1].split()[:7] == ["sample", "4.2", "s", "3.9", "s", "0.3", "s"]
    assert lines[2].split()[:7] == ["measure_quality_sample", "2.1", "s", "0.0", "s", "2.1", "s"]
    assert re.search(r"all, side by side +1 min 20 s +1 min 10 s +10 s", lines[-1])


def test_bars_are_in_proportion() -> None:
    bars = [
        (line.count("█"), line.count("░"))
        for line in timing_table(ROWS, wall_s=80, work_s=70, colour=False, width=100).splitlines()[1:-1]
    ]
    assert bars == [(1, 0), (0, 1), (15, 15)]


def test_experiments_are_named_where_there_are_several() -> None:
    both = [*ROWS, StageTiming(experiment="cvs_dark", stage="sample", wall_s=1, work_s=1)]
    assert "cvs sample" in timing_table(both, 80, 70, False, 100)
    assert "cvs" not in timing_table(ROWS, 80, 70, False, 100)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits_the_terminal_and_is_plain_unless_asked(width: int) -> None:
    text = timing_table(ROWS, 80, 70, False, width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert "\x1b" not in text
    assert "\x1b[32m" in timing_table(ROWS, 80, 70, True, width)


def test_nothing_timed_is_no_error() -> None:
    assert "0.0 s" in timing_table([], 0, 0, False, 80)
