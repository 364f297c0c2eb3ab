from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gonogo.quality.measured_set import MeasuredSet
from gonogo.runtime.context import Run
from gonogo.stages.freshness import data_digest
from gonogo.stages.measure_quality import measure_quality
from tests.stages.conftest import Files


def test_every_item_of_a_part_is_measured_and_remembered(stage_run: Callable[..., Run]) -> None:
    run = stage_run("measure_quality")
    data = run.paths.sample_shards(1)[0]
    data.mkdir(parents=True)
    for number in range(3):
        (data / f"item_{number}.txt").write_text(f"the words of item {number}")
    out = run.paths.measured("sample", data)
    measure_quality(run, Files(data=data), Files(measured=out))
    measured = MeasuredSet.read(out)
    assert len(measured) == 3 and measured.inputs_digest == data_digest([data])
    assert run.paths.quality_cache(data) == Path("results/mine/quality/cache/sample_0.sqlite")
    assert run.paths.quality_cache(data).stat().st_size > 0
