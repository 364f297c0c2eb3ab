"""YAML into the models of `gonogo.config`; errors name the file, the key, the value and the fix."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.base.commands import CUSTOM
from gonogo.base.errors import UserError
from gonogo.base.mappings import deep_merged
from gonogo.base.shipped import own_or_shipped
from gonogo.base.text import keep_secret
from gonogo.config.accelerator import Accelerator, doubts
from gonogo.config.custom_mode import spread, with_custom_mode
from gonogo.config.device_choice import HIDDEN, DeviceChoice, choose
from gonogo.config.experiment import ExperimentConfig, StartFile, Training, training_for, training_on_cpu
from gonogo.config.experiment_files import load_experiment, swept_by_name, varied
from gonogo.config.explain import unknown_name
from gonogo.config.gate_thresholds import Gates
from gonogo.config.notify import keep_secrets, literal_secret
from gonogo.config.reading import read_named, read_yaml, validate
from gonogo.config.result_paths import ResultPaths
from gonogo.config.sweep import Variant
from gonogo.config.target import Ssh, Target
from gonogo.config.tracking import missing
from gonogo.config.workflow import Config

NAME = re.compile(r"\w[^/\x00-\x1f]*")  # of an experiment: one of a folder, and no option of a program
RESERVED = ("env", "agent.pyz", "requirements.txt")  # beside it below the target's root
PROVIDERS_SECRETS = ("DIGITALOCEAN_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
STARTS_FROM = "starts_from"
CPU = "cpu"  # in config/accelerators.yaml


@dataclass(frozen=True)
class Settings:
    """Everything that a workflow run was asked to do, resolved and checked."""

    root: Path
    config: Config
    experiments: dict[str, ExperimentConfig]
    gates: dict[str, Gates]
    target: Target
    accelerator: Accelerator
    device: DeviceChoice
    sweeps: dict[str, list[Variant]] = field(default_factory=dict)  # of these experiments only their variants are run

    def training(self, experiment: str, mode: str = "") -> Training:
        """The training keys of a mode; of the one that was asked for where none is named."""
        own = self.experiments[experiment]
        training = training_for(own, mode or self.config.mode)
        return training_on_cpu(own, training) if self.device.cpu else training

    def sweep_of(self, experiment: str) -> str:
        """The sweep that the experiment is a variant of; empty: of none."""
        return next((name for name, found in self.sweeps.items() if experiment in {one.name for one in found}), "")

    def paths(self, experiment: str, mode: str = "") -> ResultPaths:
        """Where an experiment's stages leave their files, in a mode or in the one that was asked for."""
        return ResultPaths(self.config.results_dir / experiment, mode or self.config.mode)


def load(raw: Mapping[str, Any], root: Path) -> Settings:
    """Check the top-level config and read every file that it names.

    Args:
        raw: the mapping that Snakemake made of config.yaml and `--config`.
        root: the repository's root; `config/` lies below it.

    Raises:
        UserError: something is misspelt, missing or of the wrong type.
    """
    folder = root / "config"
    config = validate(Config, spread(raw), "config/config.yaml or --config")
    keep_secrets(config.notify)
    if readable := literal_secret(config.notify):
        raise UserError(f"config/config.yaml or --config: {readable}")
    experiments: dict[str, ExperimentConfig] = {}
    sweeps: dict[str, list[Variant]] = {}
    for name in config.experiments:
        swept, variants = swept_by_name(folder / "experiments", name, root, config)
        experiments |= _with_those_before(folder / "experiments", swept, root, config)
        if variants:
            sweeps[swept] = [*sweeps.get(swept, []), *(one for one in variants if one.name not in experiments)]
            made = varied(folder / "experiments", swept, variants, experiments[swept], config)
            experiments |= {one: _starting(config, swept, experiment) for one, experiment in made.items()}
    for stage in config.stages:
        if stage not in experiments:
            raise UserError(f"stages: unknown {unknown_name(stage, experiments)} `experiments` selects these.")
    places = {one.name: one.where for variants in sweeps.values() for one in variants}
    experiments = {
        name: _in_its_modes(name, experiment, config, places.get(name, f"config/experiments/{name}.yaml"))
        for name, experiment in experiments.items()
    }
    if config.is_custom:
        config = config.model_copy(update={"mode": CUSTOM})
    gates = {
        name: _gates(config, experiment, places.get(name, f"config/experiments/{name}.yaml"))
        for name, experiment in experiments.items()
    }
    for key in ("results_dir", "archive_dir"):
        where = getattr(config, key)
        if any(part.exists() and not part.is_dir() for part in [where, *where.parents]):
            raise UserError(f"{key}: {where} is, or lies below, a file; choose another folder")
    for override in config.overrides:
        if override.gate not in Gates.model_fields:
            raise UserError(f"overrides: gate: unknown {unknown_name(override.gate, Gates.model_fields)}")
    target = load_target(folder, config.target)
    if target.python == "this" and (lacking := missing(config.tracking)):
        raise UserError(lacking)  # elsewhere the machine's setup installs it
    accelerator = load_accelerator(folder, target.accelerator)
    device = choose(accelerator, target)
    if device.cpu:
        accelerator = load_accelerator(folder, CPU)
        target = target.model_copy(update={"environment": {**target.environment, **HIDDEN}})
    return _possible(Settings(root, config, experiments, gates, target, accelerator, device, sweeps), places)


def _possible(settings: Settings, places: Mapping[str, str]) -> Settings:
    """The same, its training keys checked as they are once modes and the command line are merged over them."""
    for name in settings.experiments:
        if wrong := settings.training(name).impossible:
            where = places.get(name, f"config/experiments/{name}.yaml")
            raise UserError(f"{where} or --config: training in mode {settings.config.mode}: {wrong}")
    return settings


def _in_its_modes(name: str, experiment: ExperimentConfig, config: Config, where: str) -> ExperimentConfig:
    """The experiment, its modes checked, with the mode that the command line makes."""
    if name in RESERVED or not NAME.fullmatch(name):
        raise UserError(
            f"{where}: {name!r} names its folder on the machine, too: rename the file, beginning with a letter or "
            f"digit, without `/`; {', '.join(RESERVED)} are taken there"
        )
    if config.mode not in experiment.modes:
        raise UserError(f"mode: unknown {unknown_name(config.mode, experiment.modes)} Those are the modes of {where}.")
    recommended = [mode for mode, chosen in experiment.modes.items() if chosen.recommended]
    if len(recommended) > 1:
        raise UserError(f"{where}: modes: {', '.join(recommended)} are all recommended; recommend one")
    training = experiment.training.model_dump()
    for mode, chosen in experiment.modes.items():
        validate(Training, {**training, **chosen.training}, where, f"modes.{mode}.training")
    validate(Training, {**training, **experiment.on_cpu}, where, "on_cpu")
    if not config.is_custom:
        return experiment
    validate(Training, config.training, "--config", "training")
    own = {key: value for key, value in config.stages.get(name, {}).items() if key != STARTS_FROM}
    validate(Training, own, "--config", f"stages.{name}")
    return with_custom_mode(experiment, config.mode, {**config.training, **own}, config.settings, where)


def load_target(folder: Path, name: str) -> Target:
    """One target's file below the folder `config`; the secrets of this shell that it names are shown nowhere."""
    where = f"config/targets/{name}.yaml"
    target_file = own_or_shipped(folder / "targets" / f"{name}.yaml", where)
    target = validate(Target, read_named(target_file.parent, name, "target"), where)
    if target.python == "this" and isinstance(target.connection, Ssh):
        raise UserError(f"{where}: python: 'this' is for the embedded instance; name one there")
    for secret in (*target.secret_environment, *PROVIDERS_SECRETS):
        keep_secret(secret, os.environ.get(secret, ""))
    return target


def _gates(config: Config, experiment: ExperimentConfig, where: str) -> Gates:
    """Thresholds for one experiment: the config's, what it expects of its results, and its own."""
    expected = {"results": {"metrics": experiment.expected.metrics}}
    raw = deep_merged(deep_merged(config.gates.model_dump(mode="json"), expected), experiment.gates)
    return validate(Gates, raw, where, "gates")


def load_or_exit(raw: Mapping[str, Any], root: Path | str) -> Settings:
    """`load`, as the Snakefile calls it: one line and exit code 1 instead of a traceback."""
    try:
        return load(raw, Path(root))
    except UserError as error:
        sys.exit(f"error: {error}")


def _with_those_before(folder: Path, name: str, root: Path, config: Config) -> dict[str, ExperimentConfig]:
    """An experiment after those that it starts from, the first of them first."""
    found = {name: _starting(config, name, load_experiment(folder, name, config.mounts))}
    while isinstance(earlier := found[(last := next(iter(found)))].starts_from, str):
        where = f"config/experiments/{last}.yaml: starts_from"
        if earlier in found:
            raise UserError(f"{where}: {' → '.join([*reversed(found), earlier])} is a circle")
        read_named(folder, earlier, where)
        found = {earlier: _starting(config, earlier, load_experiment(folder, earlier, config.mounts)), **found}
    if earlier is not None and not (root / earlier.checkpoint.expanduser()).is_file():
        said = STARTS_FROM in config.stages.get(last, {})
        where = f"stages.{last}.{STARTS_FROM}" if said else f"config/experiments/{last}.yaml: starts_from.checkpoint"
        raise UserError(f"{where}: {earlier.checkpoint}: no such file. Name one, or the experiment that makes it")
    return found


def _starting(config: Config, name: str, experiment: ExperimentConfig) -> ExperimentConfig:
    """The experiment, beginning with the checkpoint that the command line names for it."""
    file = config.stages.get(name, {}).get(STARTS_FROM)
    if file is None:
        return experiment
    start = validate(StartFile, {"checkpoint": file}, "--config", f"stages.{name}.{STARTS_FROM}")
    return experiment.model_copy(update={STARTS_FROM: start})


def load_accelerator(folder: Path, name: str) -> Accelerator:
    catalogue = read_yaml(own_or_shipped(folder / "accelerators.yaml", "config/accelerators.yaml"))
    if name not in catalogue:
        raise UserError(f"accelerator: unknown {unknown_name(name, catalogue)} Those are in config/accelerators.yaml.")
    found = validate(Accelerator, catalogue[name], "config/accelerators.yaml", name)
    if wrong := doubts(found):
        hint = "Correct the figure, or write null where it is unknown."
        raise UserError(f"config/accelerators.yaml: {name}: {'; '.join(wrong)}. {hint}")
    return found
