from __future__ import annotations

from collections.abc import Callable

from gonogo.runtime.context import Run
from gonogo.stages.sample import sample
from tests.stages.conftest import Files, said


def test_a_round_has_its_own_items_and_says_what_the_data_set_will_take(stage_run: Callable[..., Run]) -> None:
    run = stage_run("sample")
    second = run.paths.sample_shards(2)[1]
    sample(run, Files(), Files(data=second), Files(indices=[4, 6]))
    assert sorted(path.name for path in second.iterdir()) == ["item_4.txt", "item_5.txt"]
    assert "2 items, " in said(run) and "the data set's 6 items: about" in said(run)
    assert run.work_started_at is not None and run.work_ended_at is not None
