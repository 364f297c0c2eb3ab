from __future__ import annotations

from collections.abc import Callable

import pytest

from gonogo.base.errors import UserError
from gonogo.runtime.context import Run
from gonogo.stages.dataset import dataset
from tests.stages.conftest import Files, said


def test_a_shard_has_its_own_items(stage_run: Callable[..., Run]) -> None:
    run = stage_run("dataset")
    _, second = run.shards
    dataset(run, Files(), Files(data=second), Files(indices=[3, 6]))
    assert sorted(path.name for path in second.iterdir()) == ["item_3.txt", "item_4.txt", "item_5.txt"]
    assert "3 items, " in said(run)


def test_a_generator_that_fails_leaves_no_shard(stage_run: Callable[..., Run]) -> None:
    run = stage_run("dataset")
    run.experiment_config.command.generate = "python -c 'raise SystemExit(3)' {out} {indices}"  # type: ignore[union-attr]
    with pytest.raises(UserError, match="exit code 3"):
        dataset(run, Files(), Files(data=run.shards[0]), Files(indices=[0, 3]))
    assert not run.shards[0].exists()
