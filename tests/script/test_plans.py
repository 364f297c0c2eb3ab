"""The plan search over a command: what is varied, what is found, and what the gate says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import ExperimentConfig
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import load_experiment, validate
from gonogo.experiment.command import CommandExperiment
from gonogo.memory.judge import Measurements, judge
from gonogo.memory.plan import plan_from
from gonogo.memory.plan_search import Explored
from gonogo.memory.trace_result import Traced
from gonogo.report.memory_plan import memory_plan
from gonogo.script import plans
from gonogo.script.card.facts import CardFacts
from gonogo.script.passes import Passed
from gonogo.script.request import PassRequest
from gonogo.training.spec import RunSpec
from gonogo.verdict import Check, Status
from tests.memory.cards import card
from tests.memory.synthetic import training_step

Find = Callable[..., Explored]
DEFAULT = 8  # batch of the script, where its command does not say one
ITEMS = 300  # that its data has: no batch is larger


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Find:
    """The search for a command of which each pass is a synthetic step: 1 GB of weights, 2 GB a sample."""
    (tmp_path / "train.py").write_text("")
    (tmp_path / "data").mkdir()

    def a_pass(request: PassRequest, folder: Path, say: Any, stop: Any = None) -> Passed:
        words = " ".join(request.command.arguments)
        said = re.search(r"--b (\d+)", words)
        batch = int(said[1]) if said else DEFAULT
        per_sample = 1_000_000_000 if "bf16" in words else 2_000_000_000
        facts = CardFacts(steps=4 if batch <= ITEMS else 0, parameters=7, ending="enough")
        Traced(batch, 1, "32-true", events=training_step(batch, per_sample=per_sample)).save(folder)
        (folder / "facts.json").write_text(facts.model_dump_json())
        return Passed(folder, [])

    monkeypatch.setattr(plans, "run_pass", a_pass)
    monkeypatch.setattr("gonogo.script.check.run_pass", a_pass)

    def found(on: Accelerator, train: str, said: list[str] | None = None, **command: Any) -> Explored:
        training = {"micro_batch_size": 8, "accumulate_grad_batches": 1}
        whole = {"command": {"train": f"python train.py {train}", **command}, "kind": "text", "data": "data"}
        config = validate(ExperimentConfig, whole | {"training": training}, "mine")
        spec = RunSpec(experiment="mine", experiment_config=config, training=config.training, data=[], seed=0)
        lines = said if said is not None else []
        return plans.explore_script(CommandExperiment("mine", config, tmp_path), spec, on, {}, lines.append)

    return found


def checks(found: Explored, on: Accelerator) -> dict[str, Check]:
    return {check.id: check for check in judge(Measurements(accelerator=on, explored=found), MemoryGate()).checks}


def test_a_placeholder_is_varied_and_the_plan_keeps_the_effective_batch(find: Find) -> None:
    on = card(16)
    found = find(on, "--b {micro_batch_size} --a {accumulate_grad_batches} --p {precision}")
    largest = found.largest_fitting
    assert largest is not None and 4 <= largest < 8 and found.accumulates
    plan = plan_from(found, on, MemoryGate(on_no_go="replan"))
    assert plan.replanned and plan.training.effective_batch_size == 8 and plan.training.micro_batch_size < 8
    assert {item.training.precision for item in found.candidates} == {"32-true", "bf16-mixed"}
    said = checks(found, on)
    assert said["peak_memory"].status is Status.NO_GO and "micro_batch_size 8 → 4" in said["peak_memory"].hint
    assert said["largest_batch"].value == largest and f"{largest + 1} was traced" in said["largest_batch"].why
    assert "an hour" in str(said["cheapest_card"].value)


def test_without_accumulation_a_smaller_batch_is_another_result(find: Find) -> None:
    on = card(16)
    found = find(on, "--b {micro_batch_size}")
    smaller = found.candidates[1]
    assert smaller.training.accumulate_grad_batches == 1 and not smaller.exact and not found.accumulates
    assert {item.training.precision for item in found.candidates} == {"32-true"}
    plan = plan_from(found, on, MemoryGate())
    page = memory_plan(plan, "mine", "validate", MemoryGate())
    assert "## Settings" not in page and "takes no {accumulate_grad_batches}" in page


def test_the_script_s_own_argument_finds_the_largest_batch(find: Find) -> None:
    on, said = card(16), []
    found = find(on, "--x", said, vary="--b {}")
    assert found.asked.micro_batch_size == DEFAULT and len(found.candidates) == 1 and "--b 4" in said
    largest = found.largest_fitting
    answer = checks(found, on)
    assert answer["largest_batch"].title == "Largest --b {} on a card" and answer["largest_batch"].value == largest
    assert f"Write `--b {largest}` into command.train" in answer["peak_memory"].hint


def test_a_batch_that_the_data_cannot_fill_ends_the_search(find: Find) -> None:
    on = card(2000)
    found = find(on, "--b {micro_batch_size}")
    assert found.largest_fitting is not None and 0.9 * ITEMS < found.largest_fitting <= ITEMS
    why = checks(found, on)["largest_batch"].why
    assert "could not be traced: the script reached no optimizer step" in why


def test_a_command_whose_batch_is_not_known_names_none(find: Find) -> None:
    said = checks(find(card(40), "--x"), card(40))
    assert "micro-batch" not in said["peak_memory"].title and "largest_batch" not in said
    assert said["cheapest_card"].status is Status.GO


@pytest.mark.parametrize(
    ("train", "vary", "more", "said"),
    [
        ("t", "--b", {}, "write {} once"),
        ("t --b {micro_batch_size}", "--b {}", {}, "remove `vary`"),
        ("t", "--b {}", {"memory": "a:b"}, "command.vary: not read"),
    ],
)
def test_what_cannot_be_varied_is_refused(
    tmp_path: Path, train: str, vary: str, more: dict[str, str], said: str
) -> None:
    whole = {"command": {"train": train, "vary": vary}, "kind": "text", "data": "data", **more}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(whole))
    with pytest.raises(UserError, match=said):
        load_experiment(tmp_path, "mine")
