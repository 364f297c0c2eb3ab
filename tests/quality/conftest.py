"""Data folders made for one test, measured and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gonogo.config import QualityGate
from gonogo.quality.judge import Judgement, judge
from gonogo.quality.views import measure

from .scenes import Scene, write

Inspect = Callable[..., Judgement]


@pytest.fixture
def inspect(tmp_path: Path) -> Inspect:
    """Writes scenes, spoils the folder if asked, measures and judges it."""

    def run(scenes: Sequence[Scene], spoil: Callable[[Path], None] | None = None) -> Judgement:
        folder = write(tmp_path / "data", scenes)
        if spoil:
            spoil(folder)
        return judge(measure([folder]), QualityGate())

    return run
