"""What an edit of an experiment's code repeats."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig
from gonogo.config.load import load
from gonogo.experiment.load import load_experiment
from tests.conftest import ROOT
from tests.experiment.packages import Package

STAGES = ("generate", "train", "predict")


@pytest.fixture
def mine(package: Package) -> Package:
    package.write("render.py", "def render(): ...\n")
    package.write("module.py", "from PACKAGE.layers import layer\n\nclass Module: ...\n")
    package.write("layers.py", "def layer(): ...\n")
    package.write("predict.py", "from PACKAGE.module import Module\n\ndef predict(): ...\n\ndef picture(): ...\n")
    package.write("README.md", "A story.\n")
    return package


def prints(package: Package) -> dict[str, str]:
    config = ExperimentConfig.model_validate({"class": package.named})
    experiment = load_experiment("mine", config, package.folder.parent)
    return {stage: experiment.fingerprint(stage) for stage in STAGES}


def repeated(package: Package, file: str, old: str, new: str) -> list[str]:
    before = prints(package)
    package.edit(file, old, new)
    after = prints(package)
    return [stage for stage in STAGES if before[stage] != after[stage]]


@pytest.mark.parametrize(
    ("file", "old", "new", "stages"),
    [
        ("predict.py", "def predict(): ...", "def predict(): return {}", ["predict"]),
        ("README.md", "story", "longer story", []),
        ("layers.py", "...", "return 1", ["train", "predict"]),
        ("render.py", "...", "return 1", ["generate", "train", "predict"]),
        # of the class, `predict` and `show` are known to be of no other stage
        ("experiment.py", "import picture", "import picture as shown", ["predict"]),
        ("experiment.py", "import predict", "import predict\n\n        return predict()", ["predict"]),
        ("experiment.py", "width: int = 3", "width: int = 4", ["generate", "train", "predict"]),
    ],
)
def test_an_edit_repeats_what_it_can_change(mine: Package, file: str, old: str, new: str, stages: list[str]) -> None:
    assert repeated(mine, file, old, new) == stages


def test_predictions_that_training_imports_are_part_of_it(mine: Package) -> None:
    mine.edit("layers.py", "def layer", "from PACKAGE.predict import picture\n\ndef layer")
    assert repeated(mine, "predict.py", "...", "return 1") == ["train", "predict"]


def test_other_files_of_predictions_are_named_by_the_class(mine: Package) -> None:
    mine.write("metrics.py", "def score(): ...\n")
    mine.edit("experiment.py", 'kind = "images"', 'kind = "images"\n    predict_code = ("predict.py", "metrics.py")')
    assert repeated(mine, "metrics.py", "...", "return 1") == ["predict"]
    mine.edit("module.py", "class", "from PACKAGE import metrics\n\nclass")
    assert repeated(mine, "metrics.py", "return 1", "return 2") == ["train", "predict"]


@pytest.mark.parametrize("name", ["cvs", "eeg", "vqgan3d", "cad_mllm"])
def test_shipped_experiments_predict_in_files_of_their_own(name: str) -> None:
    settings = load({"experiments": name}, ROOT)
    experiment = load_experiment(name, settings.experiments[name], ROOT)
    files = {stage: {file.name for file in experiment.source_files_of(stage)} for stage in STAGES}
    assert "predict.py" in files["predict"] - files["train"]
    assert {"experiment.py", "module.py", "data.py", "settings.py"} <= files["train"] <= files["predict"]
    assert "generate.py" in files["generate"] and "module.py" not in files["generate"]
    assert {file.name for file in experiment.source_files()} == files["predict"]  # what goes to the machine


def test_each_rule_depends_on_the_code_of_its_stage() -> None:
    said = {}
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        for rule, body in re.findall(r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", file.read_text(), re.M | re.S):
            if stage := re.search(r'fingerprint\("(\w+)"\)', body):
                said[rule] = stage[1]
    assert said == {
        "prepare": "generate", "sample": "generate", "dataset": "generate",
        "smoke_train": "train", "trace_memory": "train", "measure_launch": "train", "upload": "train",
        "validate": "predict",
    }  # fmt: skip


def test_hidden_files_beside_the_class_are_no_code(mine: Package) -> None:
    mine.write(".scratch.py", "pass\n")
    config = ExperimentConfig.model_validate({"class": mine.named})
    names = [file.name for file in load_experiment("mine", config, Path()).source_files()]
    assert names == ["__init__.py", "experiment.py", "layers.py", "module.py", "predict.py", "render.py"]


def test_inputs_that_no_code_reads_are_an_error(mine: Package) -> None:
    config = ExperimentConfig.model_validate({"class": mine.named, "inputs": "pictures"})
    experiment = load_experiment("mine", config, mine.folder.parent)
    with pytest.raises(UserError, match=r"mine.yaml: inputs: nothing in .* reads it .self.inputs_folder"):
        experiment.check_inputs()
    mine.edit("render.py", "...", "return self.inputs_folder()")
    experiment.check_inputs()


@pytest.mark.parametrize("name", ["eeg", "vqgan3d_full", "cad_mllm_points", "cvs"])
def test_dummy_data_is_made_in_place_of_inputs_that_are_not_there(name: str) -> None:
    config = load({"experiments": name}, ROOT).experiments[name]
    real = config.model_copy(update={"inputs": Path("data/of_no_one"), "starts_from": None})
    assert "inputs: " in load_experiment(name, real, ROOT).lacking()[0]
    dummy = load_experiment(name, real.model_copy(update={"dummy_data": True}), ROOT)
    assert dummy.lacking() == [] and dummy.inputs_listing() == ""
