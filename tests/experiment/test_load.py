"""An experiment's class that cannot be used: one sentence that says what to write."""

from __future__ import annotations

import pytest

from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig
from gonogo.experiment.lightning import LightningExperiment
from gonogo.experiment.load import load_experiment
from tests.experiment.packages import Package


def told(package: Package, named: str = "") -> str:
    config = ExperimentConfig.model_validate({"class": named or package.named})
    with pytest.raises(UserError) as caught:
        load_experiment("mine", config, package.folder.parent)
    return str(caught.value)


def test_a_class_is_found_with_its_settings_checked(package: Package) -> None:
    config = ExperimentConfig.model_validate({"class": package.named, "settings": {"width": 5}})
    experiment = load_experiment("mine", config, package.folder.parent)
    assert isinstance(experiment, LightningExperiment) and experiment.settings.model_dump() == {"width": 5}
    assert experiment.import_root() == package.folder.parent
    with pytest.raises(UserError, match=r"config/experiments/mine.yaml: settings.with: unknown key"):
        load_experiment("mine", config.model_copy(update={"settings": {"with": 5}}), package.folder.parent)


def test_an_experiment_of_the_old_contract_is_told_its_new_one(package: Package) -> None:
    package.edit("experiment.py", "import LightningExperiment", "import Experiment")
    package.edit("experiment.py", "Mine(LightningExperiment)", "Mine(Experiment)")
    said = told(package)
    assert said.startswith(f"config/experiments/mine.yaml: class: '{package.named}' is not a subclass of Lightning")
    assert said.endswith("write `from gonogo import LightningExperiment` and `class Mine(LightningExperiment)`")


@pytest.mark.parametrize(
    ("method", "instead"),
    [
        ("run_training", "give another program as `command:`"),
        ("rehearse", "give another program as `command:`"),
        ("memory_step", "its step as `memory:`"),
        ("code", "`generate_code` and `predict_code`"),
    ],
)
def test_a_method_that_is_not_called_any_more_is_named(package: Package, method: str, instead: str) -> None:
    package.edit("experiment.py", "    def prepare", f"    def {method}(self, *args): ...\n\n    def prepare")
    said = told(package)
    assert f"`{method}` is not called any more" in said and instead in said


def test_methods_that_are_missing_are_named(package: Package) -> None:
    package.edit("experiment.py", "    def show(", "    def display(")
    package.edit("experiment.py", "    def targets(", "    def goals(")
    assert told(package).endswith("lacks show, targets (docs/experiments.md)")


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("no_such_package.experiment:Mine", "cannot be imported: no module 'no_such_package'"),
        ("PACKAGE.other:Mine", "cannot be imported: no module 'PACKAGE.other'"),
        ("PACKAGE.experiment:Yours", "module 'PACKAGE.experiment' has no class 'Yours'"),
        ("PACKAGE.experiment:MySettings", "is not a subclass of LightningExperiment"),
    ],
)
def test_a_class_that_is_not_there_is_named(package: Package, named: str, said: str) -> None:
    assert said.replace("PACKAGE", package.name) in told(package, named.replace("PACKAGE", package.name))


def test_an_import_that_fails_is_one_sentence(package: Package) -> None:
    package.edit("experiment.py", "import LightningExperiment", "import Nothing, LightningExperiment")
    assert "cannot be imported: cannot import name 'Nothing' from 'gonogo'" in told(package)
