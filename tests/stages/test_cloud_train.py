"""What the workflow orders of the agent, and what it makes of the answer."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gonogo.base.digests import digest
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.target import Release, Ssh, Target
from gonogo.experiment.plan_option import PlanOption
from gonogo.memory.plan_search import explore
from gonogo.remote import agent, answers
from gonogo.remote.answers import Exit, Gpu, read
from gonogo.remote.run_request import RunRequest
from gonogo.stages import cloud_train
from gonogo.stages.cloud_train import _gpu_words, _let_go, _release_order, ladder, run_name, why
from tests.memory.cards import card, estimator


def laddered(gigabytes: float, options: Sequence[PlanOption] = (), **training: Any) -> list[dict[str, Any]]:
    on = card(gigabytes)
    explored = explore(estimator(on), Training(**training), on, options)
    return ladder(explored, on, MemoryGate())


def test_the_ladder_is_the_plans_and_keeps_the_effective_batch() -> None:
    for gigabytes in (16, 1000):  # a GPU with much memory has one, too
        steps = laddered(gigabytes, micro_batch_size=12, accumulate_grad_batches=2, precision="bf16-mixed")
        batches = [(s["training"]["micro_batch_size"], s["training"]["accumulate_grad_batches"]) for s in steps]
        assert batches == [(8, 3), (6, 4), (4, 6), (3, 8), (2, 12), (1, 24)]
    assert laddered(1000, micro_batch_size=1, precision="bf16-mixed") == []


def test_the_ladder_makes_no_other_model() -> None:
    source = {"slowdown_source": "assumed", "settings": {"checkpoint": True}}
    same = PlanOption(name="checkpointing", exact=True, **source)
    other = PlanOption(name="rank 8", exact=False, **source)
    tight: dict[str, Any] = {"gigabytes": 4.8, "micro_batch_size": 4}
    assert {"checkpoint": True} in [step["settings"] for step in laddered(options=[same], **tight)]
    assert all(step["settings"] == {} for step in laddered(options=[other], **tight))


def test_the_machine_shuts_itself_down_only_where_that_was_asked_for() -> None:
    box = Ssh(host="box", user="root")
    assert _release_order(Target(connection=box)) is None
    assert _release_order(Target(release=Release(how="shutdown"))) is None, "the embedded machine is this one"
    order = _release_order(Target(connection=box, release=Release(how="shutdown", unattended_hours=12)))
    assert order is not None and (order["collected_s"], order["uncollected_s"]) == (900, 43_200)


def test_every_cause_that_the_agent_gives_has_words() -> None:
    text = Path(agent.__file__).read_text()
    given = {*agent.ENDED_AS.values(), "oom", "killed", "aborted", "failed", "stalled", "stopped", "agent_lost"}
    given |= {cause for cause in ("over_time", "over_cost", "lease_lost") if f'return "{cause}"' in text}
    assert given | {"unknown"} == {*cloud_train.CAUSES, "finished"} == set(answers.CAUSES)
    attempts = [{"cause": "oom"}] * 3
    ended = {"cause": "oom", "signal": None, "code": 1, "elapsed_s": 1, "usd": 0, "attempts": attempts}
    assert (
        why(read(Exit, ended, "box")) == "it ran out of memory, on every rung of the ladder (exit code 1, attempt 3)."
    )


def test_an_order_says_nothing_that_the_agent_does_not_know() -> None:
    assert set(RunRequest.model_fields) == set(agent.SILENT_ORDER)


@pytest.mark.parametrize(("cause", "kept"), [("over_time", True), ("killed", True), ("nan", False)])
def test_a_run_that_could_go_on_is_remembered(tmp_path: Path, cause: str, kept: bool) -> None:
    state = tmp_path / "fast.started.json"
    state.write_text(json.dumps({"run_id": "r1"}))
    _let_go(state, cause)
    assert state.exists() == kept
    assert not kept or json.loads(state.read_text()) == {"run_id": "r1", "ended": cause}


def test_two_runs_of_one_second_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda form: "20260101-000000")
    keys = [digest("fast", [], data)[:16] for data in ("one", "other")]
    assert len({run_name("fast", key) for key in keys} | {run_name("canary", key) for key in keys}) == 4


def test_memory_that_is_nearly_full_is_an_alarm() -> None:
    gpu = Gpu(used_bytes=15.2e9, total_bytes=16e9, busy_percent=97.0, temperature_c=64.0)
    assert "MEMORY NEARLY FULL: take the next smaller micro_batch_size" in _gpu_words(gpu)
    assert "NEARLY FULL" not in _gpu_words(gpu.model_copy(update={"used_bytes": 12e9}))
