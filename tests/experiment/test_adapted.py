"""An experiment of a function in the project: what its YAML must say, what it is given, what it depends on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.experiment.adapted import AdaptedExperiment
from gonogo.experiment.load import load_experiment

EXPERIMENT = """
asked = []


def plain():
    import torch
    from torch import nn

    import gonogo
    from parts import table

    asked.append("plain")
    return gonogo.torch(
        model=lambda: nn.Linear(4, 1), optimizer=torch.optim.Adam, loss=nn.MSELoss(), loaders=(table(), table())
    )


def with_arguments(data, training):
    asked.append((data.name, training.learning_rate, training.micro_batch_size))
    return plain()


def wrong():
    return 3
"""
PARTS = """
def table():
    import torch
    x = torch.randn(32, 4)
    return [(x, x.sum(1, keepdim=True))]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "gonogo_experiment.py").write_text(EXPERIMENT)
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "data").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("gonogo_experiment", "parts"):
        sys.modules.pop(name, None)


def made(root: Path, function: str = "plain", **changes: Any) -> AdaptedExperiment:
    given = {
        "class": f"gonogo_experiment:{function}", "data": "data", "kind": "images",
        "training": {"micro_batch_size": 8}, **changes,
    }  # fmt: skip
    config = ExperimentConfig.model_validate({key: value for key, value in given.items() if value is not None})
    found = load_experiment("mine", config, root)
    assert isinstance(found, AdaptedExperiment)
    return found


def test_nothing_is_made_before_it_is_needed(root: Path) -> None:
    experiment = made(root)
    experiment.check_kind()
    assert experiment.fingerprint("train") and experiment.fingerprint("generate")
    asked = sys.modules["gonogo_experiment"].asked
    assert asked == []
    training = Training(micro_batch_size=8)
    experiment.module(training)
    experiment.datamodule(training, [root / "data"], 0)
    assert asked == ["plain"]


def test_the_function_is_given_the_plan_and_where_the_data_lies(root: Path) -> None:
    experiment = made(root, "with_arguments", training={"micro_batch_size": 8, "learning_rate": 0.5})
    experiment.check_kind()
    experiment.module(Training(micro_batch_size=8, learning_rate=0.5))
    asked = sys.modules["gonogo_experiment"].asked
    assert asked[0] == ("data", 0.5, 8)
    (root / "sent").mkdir()
    experiment.data_at = root / "sent"
    experiment.module(Training(micro_batch_size=4, learning_rate=0.5))  # a smaller plan after running out of memory
    assert asked[2] == ("sent", 0.5, 4)


def test_a_path_in_the_project_leads_to_the_data_on_the_machine(root: Path) -> None:
    experiment = made(root)
    (root / "data").rmdir()
    (root / "sent").mkdir()
    (root / "sent/a.png").touch()
    experiment.data_at = root / "sent"
    experiment.module(Training(micro_batch_size=8))
    assert (root / "data/a.png").exists()


def test_inference_reads_inputs_as_the_loader_gives_them(root: Path) -> None:
    experiment = made(root)
    module = experiment.module(Training(micro_batch_size=8))
    torch.save({"state_dict": module.state_dict()}, root / "best.ckpt")
    inputs = torch.randn(3, 4)
    np.save(root / "three.npy", inputs.numpy())
    torch.save(inputs[0], root / "one.pt")
    expected = module.model(inputs).detach().numpy()
    for name, rows in (("three.npy", expected), ("one.pt", expected[:1])):
        (file,) = experiment.infer(root / "best.ckpt", str(root / name), root / "out", 0)
        np.testing.assert_allclose(np.load(file), rows, rtol=1e-5)
    for values, told in ((torch.zeros(2, 5), "the model does not take it"), (torch.zeros(2, 2, 2, 2), "of shape")):
        torch.save(values, root / "wrong.pt")
        with pytest.raises(UserError, match=told):
            experiment.infer(root / "best.ckpt", str(root / "wrong.pt"), root / "out", 0)
    with pytest.raises(UserError, match="would replace it"):
        experiment.infer(root / "best.ckpt", str(root / "three.npy"), root, 0)
    with pytest.raises(UserError, match=r"give a \.npy or \.pt file"):
        experiment.infer(root / "best.ckpt", "a caption", root, 0)


def test_what_it_is_made_of_goes_to_the_machine(root: Path) -> None:
    (root / "extra").mkdir()
    (root / "extra/table.json").write_text("{}")
    experiment = made(root, code=["extra"])
    names = {path.relative_to(root).as_posix() for path in experiment.source_files()}
    assert names == {"gonogo_experiment.py", "parts.py", "extra/table.json"} and experiment.import_root() == root
    before = {stage: experiment.fingerprint(stage) for stage in ("generate", "train", "predict")}
    (root / "parts.py").write_text(PARTS + "# edited\n")
    assert experiment.fingerprint("generate") == before["generate"]  # the data is not made of it
    assert experiment.fingerprint("train") != before["train"] and experiment.fingerprint("predict") != before["predict"]


@pytest.mark.parametrize(
    ("function", "changes", "told"),
    [
        ("plain", {"data": None}, r"data: gonogo_experiment:plain brings its own loaders; name the folder"),
        ("plain", {"kind": None}, r"kind: say what the data is: views, images"),
        ("plain", {"kind": "picture"}, r"kind 'picture': there is an inspector for"),
        ("plain", {"training": {}}, r"training: micro_batch_size: say how many samples a batch of your loader has"),
        ("plain", {"data": "/elsewhere"}, r"data: /elsewhere lies elsewhere on a rented machine: give .* `data`"),
        (
            "plain",
            {"training": {"micro_batch_size": 8, "learning_rate": 0.1}},
            r"training: nothing reads learning_rate: give gonogo_experiment:plain an argument `training`, or remove",
        ),
    ],
)
def test_what_the_yaml_leaves_out_or_says_in_vain_is_an_error(
    root: Path, function: str, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told) as said:
        made(root, function, **changes).check_kind()
    assert "mine" in str(said.value) and "\n" not in str(said.value)


def test_a_function_that_returns_something_else_is_named(root: Path) -> None:
    with pytest.raises(UserError, match=r"gonogo_experiment:wrong: it returns a int; it should return gonogo.torch"):
        made(root, "wrong").module(Training(micro_batch_size=8))


def test_a_class_says_its_kind_itself(root: Path) -> None:
    config = ExperimentConfig.model_validate({"class": "tests.toy:Toy", "kind": "images"})
    with pytest.raises(UserError, match=r"kind: this class defines it in code; remove it"):
        load_experiment("toy", config, root)
