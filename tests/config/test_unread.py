"""A key that is written into an experiment's file and read by nothing is an error, and its sentence says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.base.mappings import deep_merged
from gonogo.config.gate_thresholds import LearningGate
from gonogo.config.load import load_experiment
from gonogo.config.unread import LEARNING

ROOT = Path(__file__).parents[2] / "gonogo"
MODULES = {
    "class": ("learning/data_checks.py", "learning/model_checks.py", "learning/progress_checks.py"),
    "command": ("learning/loss_checks.py",),
    "script": ("script/processor/judge*.py", "script/processor/trend.py"),
}
WATCHED = {"command": {"train": "python train.py --lr {learning_rate}"}, "kind": "text", "data": "corpora"}
REHEARSED = {"command": {"generate": "g {indices} {out}", "train": "t {data} {max_steps}"}, "kind": "text"}
CLASS = {"class": "experiments.cvs.experiment:CVS"}


def load(tmp_path: Path, base: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The configuration that was loaded, as a mapping."""
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**base, **more}))
    return load_experiment(tmp_path, "mine").model_dump()


@pytest.mark.parametrize("kind", LEARNING)
def test_the_keys_of_the_learning_gate_are_those_that_its_judge_reads(kind: str) -> None:
    files = [file for pattern in MODULES[kind] for file in ROOT.glob(pattern)]
    read = {name for file in files for name in re.findall(r"\bgate\.(\w+)", file.read_text())}
    assert read == LEARNING[kind]
    assert set().union(*LEARNING.values()) == set(LearningGate.model_fields)


@pytest.mark.parametrize(
    ("base", "more", "said"),
    [
        (WATCHED, {"gates": {"learning": {"min_skill": 0.3}}}, r"min_skill: not read, command.train is "),
        (REHEARSED, {"gates": {"learning": {"max_leaked_share": 0.3}}}, r"metrics.csv; it reads max_los"),
        (CLASS, {"gates": {"learning": {"min_batch_fall": 0.3}}}, r"min_batch_fall: not read, a class"),
        (REHEARSED, {"smoke": {"arguments": "--small"}}, r"smoke.arguments: only a command that is watched"),
        (CLASS, {"smoke": {"arguments": "--small"}}, r"smoke.arguments: only a command that is watched"),
        (WATCHED, {"smoke": {"settings": {"width": 3}}}, r"smoke.settings: only.* write smoke.arg"),
        (WATCHED, {"smoke": {"overfit_steps": 30}}, r"smoke.overfit_steps: only with `class`"),
        (WATCHED, {"validation_share": 0.3}, r"validation_share: only with `class`"),
        (WATCHED, {"training": {"weight_decay": 0.1}}, r"training.weight_decay: command.train d"),
        (REHEARSED, {"training": {"learning_rate": 0.1}}, r"write \{learning_rate\} into the"),
        (WATCHED, {"modes": {"full": {"training": {"threads": 2}}}}, r"modes.full.training.threads: comm"),
        (WATCHED, {"on_cpu": {"num_workers": 2}}, r"on_cpu.num_workers: command.train"),
        (WATCHED, {"smoke": {"training": {"ema_decay": 0.5}}}, r"smoke.training.ema_decay: "),
    ],
)  # fmt: skip
def test_what_nothing_reads_is_refused(tmp_path: Path, base: dict[str, Any], more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        load(tmp_path, base, **more)


@pytest.mark.parametrize(
    ("base", "more"),
    [
        (WATCHED, {"gates": {"learning": {"min_batch_fall": 0.1, "max_loss_spike": 5}}, "smoke": {"arguments": "-s"}}),
        (WATCHED, {"training": {"epochs": 3, "learning_rate": 0.1}, "modes": {"full": {"training": {"epochs": 9}}}}),
        (REHEARSED, {"gates": {"learning": {"min_validations": 4}}}),
        (CLASS, {"gates": {"learning": {"min_skill": 0.2}}, "smoke": {"overfit_steps": 30}, "validation_share": 0.3}),
    ],
)
def test_what_is_read_is_taken(tmp_path: Path, base: dict[str, Any], more: dict[str, Any]) -> None:
    loaded = load(tmp_path, base, **more)
    assert deep_merged(loaded, more) == loaded  # each value is there
