"""Histograms of the statistics: what is counted, and what is drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.distributions import BINS, Distribution, Distributions, above, below
from gonogo.quality.inspector import Inspector
from gonogo.quality.registry import kind_of
from gonogo.quality.views.distributions import views_distributions
from tests.waiting import LIMIT_S

SVG = "{http://www.w3.org/2000/svg}"
DISTRIBUTIONS = [
    Distribution("light", "Brightness", "luma", 0, 255, (below(40, "dark"), above(220, "bright"))),
    Distribution("size", "Size", "pixels", 1, 10_000, log=True),
    Distribution("absent", "Never measured", "", 0, 1),
]


def rows(count: int, seed: int = 0) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "status": "NO_GO" if light < 40 else "GO",
            "light": float(light),
            "size": int(size),
            "absent": None,
            "name": "a",
        }
        for light, size in zip(rng.normal(120, 60, count), rng.integers(1, 20_000, count), strict=True)
    ]


def filled(rows: list[dict[str, object]]) -> Distributions:
    found = Distributions(DISTRIBUTIONS)
    for row in rows:
        found.add(row)
    return found


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_the_order_of_rows_does_not_matter() -> None:
    made = rows(3000)
    assert filled(made[700:][::-1] + made[:700]).svg("A set") == filled(made).svg("A set")


def test_good_and_bad_are_counted_apart_and_thresholds_labelled() -> None:
    made = rows(3000)
    bad = sum(row["status"] == "NO_GO" for row in made)
    words = texts(filled(made).svg("A set"))
    assert f"{3000 - bad:,} good, {bad:,} bad" in words
    assert {"dark < 40", "bright > 220", "Brightness", "A set", "luma"} <= set(words)


def test_what_was_never_measured_is_left_out() -> None:
    assert "Never measured" not in texts(filled(rows(10)).svg("A set"))
    assert texts(Distributions(DISTRIBUTIONS).svg("Nothing"))[0] == "Nothing"


def test_values_beyond_the_range_are_counted_at_its_end_and_marked() -> None:
    inside, beyond = rows(20), rows(20)
    for place, row in enumerate(inside):
        row.update(light=100.0 + place, size=10)
    beyond[3].update(light=-4.0)
    beyond[4].update(light=900.0)
    assert not {"≤ 0", "≥ 255"} & set(texts(filled(inside).svg("A set")))
    assert {"≤ 0", "≥ 255"} <= set(texts(filled(beyond).svg("A set")))


def test_the_fullest_bin_is_the_tallest_where_its_value_is() -> None:
    distributions = [Distribution("x", "X", "", 0, 1)]
    found = Distributions(distributions)
    for value in (0.21, 0.21, 0.21, 0.81):
        found.add({"status": "GO", "x": value})
    (path,) = re.findall(r'<path d="([^"]+)" fill="#2da44e"', found.svg("A set"))
    bars = [(float(x), -float(up)) for x, up in re.findall(r"M([\d.]+) [\d.]+h[\d.]+v(-[\d.]+)", path)]
    assert len(bars) == 2
    assert bars[0][1] == pytest.approx(3 * bars[1][1], rel=0.01)
    width = bars[1][0] - bars[0][0]
    panel = width * BINS / (int(0.81 * BINS) - int(0.21 * BINS))
    assert panel == pytest.approx(300, abs=1)


def test_names_are_escaped_and_it_is_one_file(tmp_path: Path) -> None:
    found = filled(rows(10))
    found.write(tmp_path / "set.svg", "<&> photographs")
    root = ET.parse(tmp_path / "set.svg").getroot()
    assert root.get("width") == "1000"
    assert "<&> photographs" in [element.text for element in root.iter(f"{SVG}text")]


def test_drawing_needs_no_plotting_library() -> None:
    import subprocess
    import sys

    code = "import sys, gonogo.quality.distributions; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=LIMIT_S).returncode == 0


@pytest.mark.parametrize("kind", ["images"])
def test_a_kind_draws_columns_that_its_table_has(kind: str) -> None:
    from gonogo.quality.table import columns_of

    inspector: Inspector = kind_of(kind)
    columns = columns_of(inspector.Item)
    assert [one.column for one in inspector.distributions(QualityGate()) if one.column not in columns] == []


def test_thresholds_are_those_of_the_gate() -> None:
    gate = QualityGate(min_brightness_ratio=0.123)
    labels = [line.label for one in views_distributions(gate) for line in one.thresholds]
    assert "dark < 0.123" in labels
