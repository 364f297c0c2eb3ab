from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from gonogo.runtime.context import Run
from gonogo.stages.existing_data import WHOLE
from gonogo.stages.sample import sample
from tests.experiments.eeg.test_recorded import cache
from tests.stages.conftest import Files, said


def test_a_round_has_its_own_items_and_says_what_the_data_set_will_take(stage_run: Callable[..., Run]) -> None:
    run = stage_run("sample")
    second = run.paths.sample_shards(2)[1]
    sample(run, Files(), Files(data=second), Files(indices=[4, 6]))
    assert sorted(path.name for path in second.iterdir()) == ["item_4.txt", "item_5.txt"]
    assert "2 items, " in said(run) and "the data set's 6 items: about" in said(run)
    assert run.work_started_at is not None and run.work_ended_at is not None


def test_a_sample_of_all_that_the_inputs_hold_is_judged_as_the_whole(
    stage_run: Callable[..., Run], tmp_path: Path
) -> None:
    cache(tmp_path / "caches/R1.h5", channels=8)
    settings = {"data": {"recorded": {"target": "p_factors", "unit": "V"}}}
    config = {"extends": "eeg", "inputs": "caches", "settings": settings, "modes": {"mine": {}}}
    (tmp_path / "config/experiments/mine.yaml").write_text(yaml.safe_dump(config))
    run = stage_run("sample")
    first, second = run.paths.sample_shards(2)
    sample(run, Files(), Files(data=first), Files(indices=[0, 4]))
    assert len(list(first.iterdir())) == 4
    sample(run, Files(), Files(data=second), Files(indices=[4, 18]))
    assert len(list(second.glob("*.h5"))) == 2 and (second / WHOLE).exists()
