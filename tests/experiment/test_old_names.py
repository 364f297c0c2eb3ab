"""Code that imports from where things were before is told where they are now."""

from __future__ import annotations

import pytest

import gonogo
from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig
from gonogo.experiment.load import load_experiment
from gonogo.experiment.old_names import MOVED, RENAMED, old_imports
from tests.experiment.packages import Package

OLD = [(module, name) for module, names in MOVED.items() for name in names]


@pytest.mark.parametrize(("module", "name"), OLD)
def test_every_old_import_is_told_its_new_one(package: Package, module: str, name: str) -> None:
    package.write("learn.py", f"import torch\n\nfrom {module} import {name}\n")
    (line,) = old_imports(package.folder)
    now = RENAMED.get(name, name)
    said = f"from {module} import {name}: write `from gonogo import {now}`"
    assert line == f"{package.folder / 'learn.py'}:3: {said}"
    assert now in gonogo.PUBLIC


def test_all_of_them_are_told_at_once_before_anything_is_imported(package: Package) -> None:
    package.edit(
        "experiment.py",
        "from gonogo import LightningExperiment, StrictModel",
        "from gonogo.experiment import Experiment\nfrom gonogo.model import Model",
    )
    package.write(
        "learn.py", "def late():\n    from gonogo.by_hand import (\n        optimizers_of, uncounted\n    )\n"
    )
    with pytest.raises(UserError) as caught:
        load_experiment("mine", ExperimentConfig.model_validate({"class": package.named}), package.folder)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith(f"config/experiments/mine.yaml: class: {package.named!r} was written for another version")
    assert [line.partition(": ")[2] for line in lines] == [
        "from gonogo.experiment import Experiment: write `from gonogo import LightningExperiment`",
        "from gonogo.model import Model: write `from gonogo import StrictModel`",
        "from gonogo.by_hand import optimizers_of, uncounted: "
        "write `from gonogo import optimizers_of, without_step_count`",
    ]


def test_what_has_no_public_name_is_told_where_to_look(package: Package) -> None:
    package.write("learn.py", "import gonogo.callbacks\nfrom gonogo.units import gigabytes\n")
    assert [line.partition(": ")[2] for line in old_imports(package.folder)] == [
        "import gonogo.callbacks: there is no such module; what an experiment may import from gonogo: "
        "docs/experiments.md",
        "from gonogo.units import gigabytes: there is no such module; what an experiment may import from gonogo: "
        "docs/experiments.md",
    ]


def test_what_is_there_is_left_alone(package: Package) -> None:
    package.write("learn.py", "import gonogo\nfrom gonogo import Training\nfrom gonogo.config.load import load\n")
    package.write("other.py", "from gonogo.quality.text.inspector import Texts\nimport gonogo.verdict\n")
    assert old_imports(package.folder) == []
