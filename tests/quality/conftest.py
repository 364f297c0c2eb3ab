"""Data folders made for one test, measured and judged."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.views.findings import SceneFinding

from .scenes import Scene, write

Inspect = Callable[..., Judgement]


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Writes scenes, spoils the folder if asked, measures and judges it."""

    def run(scenes: Sequence[Scene], spoil: Callable[[Path], None] | None = None, **options: bool) -> Judgement:
        folder = write(tmp_path / "data", scenes)
        if spoil:
            spoil(folder)
        return judge(measure_views([folder]), QualityGate(), **options)

    return run


def measure_views(folders: Sequence[Path], kind: str = "views") -> MeasuredSet:
    """Data folders as the parts of one set."""
    out = Path(tempfile.mkdtemp())
    for part, folder in enumerate(folders):
        measure_part(kind, folder, out / str(part))
    return MeasuredSet.read(*[out / str(part) for part in range(len(folders))])


def findings(data: MeasuredSet, gate: QualityGate | None = None) -> list[SceneFinding]:
    """Every scene's finding, in the order of the scan."""
    found: list[SceneFinding] = []
    judge(data, gate or QualityGate(), each=found.append)  # type: ignore[arg-type]
    return found
