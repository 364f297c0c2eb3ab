"""Config errors teach: they name the file, the key, the value and the fix."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.config.gate_thresholds import Gates
from gonogo.config.load import load
from gonogo.config.reference import schema
from gonogo.experiment.load import load_experiment, load_experiments_or_exit

OVERRIDE = {"experiment": "cvs", "gate": "quality", "by": "A", "reason": "because I say so"}


def edit(path: Path, **changes: object) -> None:
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def message(raw: dict, site: Path) -> str:
    with pytest.raises(UserError) as caught:
        load(raw, site)
    return str(caught.value)


def test_shipped_config_loads(root: Path) -> None:
    settings = load(yaml.safe_load((root / "config/config.yaml").read_text()), root)
    assert settings.training("cvs").epochs == 8
    assert settings.target.connection.kind == "embedded"


def test_schema_is_the_models(root: Path) -> None:
    assert json.loads((root / "config/schema.json").read_text()) == schema()


def test_strings_from_the_command_line_are_coerced(site: Path) -> None:
    settings = load(
        {"experiments": "cvs,cvs_dark", "budget_usd": "7.5", "gates": {"learning": {"min_skill": "0.2"}}}, site
    )
    assert list(settings.experiments) == ["cvs", "cvs_dark"]
    assert settings.config.budget_usd == 7.5
    assert settings.gates["cvs"].learning.min_skill == 0.2


def test_extends_lays_one_file_over_another(site: Path) -> None:
    settings = load({"experiments": "cvs_dark"}, site)
    dark = settings.experiments["cvs_dark"]
    assert dark.settings["data"]["cameras"]["orbit"] == "origin"
    assert dark.settings["data"]["image_size"] == 64
    assert dark.expected.statement


@pytest.mark.parametrize("where", ["config", "experiment"])
def test_a_key_of_an_earlier_version_names_the_new_one(site: Path, where: str) -> None:
    gates = {"quality": {"max_bad_scenes": 0.1}}
    if where == "experiment":
        edit(site / "config/experiments/cvs.yaml", gates=gates)
    said = message({} if where == "experiment" else {"gates": gates}, site)
    assert "gates.quality.max_bad_scenes: this key was renamed; write gates.quality.max_bad_items" in said
    assert "Allowed" not in said


def test_one_mode_is_recommended(site: Path) -> None:
    modes = {name: {"recommended": True} for name in ("validate", "fast")}
    edit(site / "config/experiments/cvs.yaml", modes=modes)
    assert "fast, validate are all recommended" in message({}, site)


def test_an_experiments_own_gates_win(site: Path) -> None:
    edit(site / "config/experiments/cvs.yaml", gates={"quality": {"max_bad_items": 0.2}})
    assert load({"experiments": "cvs"}, site).gates["cvs"].quality.max_bad_items == 0.2
    assert load({"experiments": "cvs"}, site).gates["cvs"].results.metrics == {"psnr_db": 14.5, "copy_skill": 0}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"experimnts": "cvs"}, ["experimnts", "did you mean 'experiments'"]),
        ({"gates": {"quality": {"max_bad_itms": 0.1}}}, ["quality.max_bad_itms", "mean 'max_bad_items'"]),
        ({"budget_usd": "twenty"}, ["budget_usd", "'twenty'", "valid number"]),
        ({"budget_usd": -1}, ["budget_usd", "-1", "greater than or equal to 0"]),
        ({"experiments": "cvx"}, ["'cvx'", "did you mean 'cvs'", "config/experiments/"]),
        ({"experiments": ""}, ["experiments", "at least 1"]),
        ({"mode": "fsat"}, ["mode", "did you mean 'fast'", "validate, fast, extended"]),
        ({"target": "moon"}, ["target", "'moon'", "local", "config/targets/"]),
        ({"overrides": [{**OVERRIDE, "gate": "qualty"}]}, ["qualty", "quality"]),
        ({"overrides": [{**OVERRIDE, "reason": "no"}]}, ["overrides", "reason", "10"]),
    ],
)  # fmt: skip
def test_bad_values_are_named_with_their_fix(raw: dict, words: list[str], site: Path) -> None:
    said = message(raw, site)
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"strategy": "fsdp"}, "strategy: fsdp shares the weights out among cards, and devices is 1: set devices: 2"),
        ({"strategy": "fsdp", "devices": 2, "precision": "16-mixed"}, "set precision: bf16-mixed, or strategy: ddp"),
        ({"strategy": "fdsp", "devices": 2}, "strategy: 'fdsp' is wrong"),
    ],
)
def test_training_keys_that_do_not_go_together_are_named(training: dict, words: str, site: Path) -> None:
    said = message({"experiments": "cvs", "training": training}, site)
    assert words in said and "\n" not in said, said


@pytest.mark.parametrize("name", ["--help", "-x", "env", "agent.pyz", ".hidden"])
def test_an_experiment_that_would_be_an_option_or_another_folder_is_renamed(name: str, site: Path) -> None:
    (site / "config/experiments/cvs.yaml").rename(site / f"config/experiments/{name}.yaml")
    assert "rename the file, beginning with a letter or digit" in message({"experiments": name}, site)


def test_bad_files_are_named(site: Path) -> None:
    experiment = site / "config/experiments/cvs.yaml"
    original = experiment.read_text()
    experiment.write_text("class: [unclosed")
    assert "cvs.yaml" in message({}, site) and "not valid YAML" in message({}, site)
    experiment.write_text("just words")
    assert "keys and values" in message({}, site)
    experiment.write_text(original.replace("class:", "clas:"))
    assert "clas: unknown key 'clas'; did you mean 'class'?" in message({}, site)
    experiment.write_text(original)
    edit(experiment, extends="cvs_dark")
    assert "circle" in message({}, site)
    edit(site / "config/targets/local.yaml", accelerator="h20")
    experiment.write_text(original)
    assert "did you mean 'h200'" in message({}, site)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"research": [{"claim": "it converges in 30 epochs"}]}, ["research", "source"]),
        ({"issues": [{"what": "labels shifted", "severity": "grave"}]}, ["severity", "grave", "critical"]),
        ({"issues": [{"what": "labels shifted", "severity": "major", "status": "fixed"}]}, ["resolution", "shifted"]),
    ],
)
def test_claims_need_a_source_and_what_was_fixed_says_how(changes: dict, words: list[str], site: Path) -> None:
    edit(site / "config/experiments/cvs.yaml", **changes)
    told = message({"experiments": ["cvs"]}, site)
    assert all(word in told for word in ["cvs.yaml", *words]), told


def test_experiment_class_errors(site: Path, root: Path) -> None:
    settings = load({"experiments": "cvs"}, site)

    def said(**changes: object) -> str:
        with pytest.raises(UserError) as caught:
            load_experiment("cvs", settings.experiments["cvs"].model_copy(update=changes), root)
        return str(caught.value)

    assert "no module 'experiments.cvx'" in said(experiment_class="experiments.cvx:CVS")
    assert "no class 'CVX'" in said(experiment_class="experiments.cvs.experiment:CVX")
    assert "not a subclass" in said(experiment_class="gonogo.config.experiment:Training")
    assert "settings.data.imag_size" in said(settings={"data": {"imag_size": 64}})


def test_missing_package_names_the_extra(root: Path) -> None:
    experiment = load_experiment("cvs", load({}, root).experiments["cvs"], root)
    type(experiment).packages = {"no_such_package": "onnx"}
    try:
        with pytest.raises(UserError, match=r"no_such_package.*pip install 'gonogo\[onnx\]'"):
            experiment.check_packages()
    finally:
        type(experiment).packages = {}


def test_data_that_nothing_can_inspect_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load({"experiments": "cvs"}, root)
    monkeypatch.setattr("experiments.cvs.experiment.CVS.kind", "smells")
    with pytest.raises(SystemExit, match="kind 'smells': there is an inspector for: views"):
        load_experiments_or_exit(settings)


def test_every_threshold_says_what_it_is() -> None:
    for gate, field in Gates.model_fields.items():
        for name, threshold in field.annotation.model_fields.items():
            assert threshold.description, f"gates.{gate}.{name} has no description"
