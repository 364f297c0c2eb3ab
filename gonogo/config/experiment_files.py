"""Files in config/experiments/: each an experiment, over the one that it extends, or a sweep of several."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.mappings import deep_merged
from gonogo.base.os_paths import mapped
from gonogo.config.experiment import ExperimentConfig
from gonogo.config.explain import unknown_name
from gonogo.config.reading import read_named, read_yaml, validate
from gonogo.config.sweep import Variant, variants_of
from gonogo.config.unread import unread
from gonogo.config.workflow import Config


def load_experiment(folder: Path, name: str, mounts: Mapping[str, str] | None = None) -> ExperimentConfig:
    """One experiment's file, merged over the one that it extends, its paths where `mounts` say that they lie here."""
    return _experiment(_merged(folder, name, mounts), f"config/experiments/{name}.yaml")


def _experiment(raw: Mapping[str, Any], where: str) -> ExperimentConfig:
    config = validate(ExperimentConfig, raw, where)
    if said := unread(raw, config):
        raise UserError(f"{where}: {said}")
    return config


def _merged(folder: Path, name: str, mounts: Mapping[str, str] | None) -> dict[str, Any]:
    """What an experiment's file says, over what those say that it extends, but for their sweeps."""
    raw = read_named(folder, name, "experiments")
    if raw.get("data") and "dataset_items" in raw:
        raise UserError(
            f"config/experiments/{name}.yaml: dataset_items: the items of `data` are counted; remove the key"
        )
    seen = [name]
    while parent := raw.get("extends"):
        if parent in seen:
            raise UserError(f"config/experiments/{name}.yaml: extends: {' → '.join([*seen, parent])} is a circle")
        seen.append(parent)
        base = read_named(folder, parent, f"config/experiments/{seen[-2]}.yaml: extends")
        base.pop("sweep", None)
        raw = deep_merged(base, {key: value for key, value in raw.items() if key != "extends"})
    return dict(mapped(raw, mounts or {}))


def swept_by_name(folder: Path, name: str, root: Path, config: Config) -> tuple[str, list[Variant]]:
    """The experiment's file, and its variants that are meant: all, or the one of this name; none without a sweep."""
    if (folder / f"{name}.yaml").is_file():
        sweep = load_experiment(folder, name, config.mounts).sweep
        variants = [] if sweep is None else variants_of(name, sweep, root)
        for one in variants:
            if (folder / f"{one.name}.yaml").exists():
                raise UserError(f"{one.where}: {one.name} is also a file in config/experiments/; rename one of the two")
        return name, variants
    for file in sorted(folder.glob("*.yaml"), reverse=True):
        if name.startswith(f"{file.stem}-") and "sweep" in read_yaml(file):
            _, variants = swept_by_name(folder, file.stem, root, config)
            if found := [one for one in variants if one.name == name]:
                return file.stem, found
            known = [one.name for one in variants]
            raise UserError(
                f"config/config.yaml or --config: experiments: unknown {unknown_name(name, known)} Those are of the "
                f"sweep {file.stem}."
            )
    return name, []


def varied(
    folder: Path, name: str, variants: list[Variant], base: ExperimentConfig, config: Config
) -> dict[str, ExperimentConfig]:
    """The experiments of a sweep, checked with the place that says their values."""
    raw = _merged(folder, name, config.mounts)
    for one in variants:
        for key in one.values:
            section, _, inner = key.partition(".")
            if section != "training":
                continue
            if config.mode in base.modes and inner in base.modes[config.mode].training:
                set_by = f"modes.{config.mode}.training.{inner}"
                raise UserError(f"{one.where}: {key}: {set_by} sets it for every variant; sweep over {set_by}")
            if inner in config.training:
                raise UserError(f"{one.where}: {key}: --config sets {inner} for every variant; remove one of the two")
    found = {one.name: _experiment(one.over(raw), f"{one.where} ({one.name})") for one in variants}
    if base.sweep and base.sweep.halving:
        for one in variants:
            _check_steps(one, found[one.name], found[variants[0].name])
    return found


def _check_steps(variant: Variant, experiment: ExperimentConfig, first: ExperimentConfig) -> None:
    """Raise UserError where skills would be compared after different numbers of steps, or there are none."""
    smoke, where = experiment.smoke, f"{variant.where}: halving ({variant.name})"
    if experiment.command:
        raise UserError(f"{where}: a command has no skill to compare; remove halving")
    if smoke.max_extension != 1:
        raise UserError(f"{where}: smoke.max_extension: {smoke.max_extension:g} lets steps differ; write 1")
    if smoke.steps != first.smoke.steps:
        raise UserError(f"{where}: smoke.steps: {smoke.steps}, and {first.smoke.steps} of another; make them equal")
