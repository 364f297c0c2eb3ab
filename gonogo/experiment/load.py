"""An experiment by the name in its YAML."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.mappings import flat
from gonogo.config.experiment import ExperimentConfig
from gonogo.config.explain import unknown_name
from gonogo.config.load import Settings
from gonogo.config.sweep import Variant
from gonogo.experiment.adapted import AdaptedExperiment
from gonogo.experiment.adapter import Adapter
from gonogo.experiment.contract import Experiment
from gonogo.experiment.lightning import LightningExperiment
from gonogo.experiment.old_names import METHODS, old_imports


def load_experiment(name: str, config: ExperimentConfig, root: Path, assets: Path | None = None) -> Experiment:
    """The experiment that `class:` names, or that of the commands, with its settings checked.

    Raises:
        UserError: the class cannot be found or imported, or does not fulfil the contract, or a setting is wrong.
    """
    if config.command is not None:
        from gonogo.experiment.command import CommandExperiment

        return CommandExperiment(name, config, root, assets)
    found = _named(config.experiment_class, f"config/experiments/{name}.yaml: class")
    if isinstance(found, Adapter) or inspect.isfunction(found):
        return AdaptedExperiment(name, config, root, assets, source=found)
    if given := [key for key in ("kind", "code") if getattr(config, key)]:
        raise UserError(f"config/experiments/{name}.yaml: {', '.join(given)}: this class defines it in code; remove it")
    made: Experiment = found(name, config, root, assets)
    return made


def _named(named: str, where: str) -> Any:
    """The class `package.module:Class`; or an adapter, or the function that makes one."""
    module_name, _, class_name = named.partition(":")
    try:
        spec = importlib.util.find_spec(module_name)
        if spec and spec.origin and (wrong := old_imports(Path(spec.origin).parent)):
            raise UserError("\n".join([f"{where}: {named!r} was written for another version of gonogo:", *wrong]))
        found = getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        raise UserError(f"{where}: {named!r} cannot be imported: no module {error.name!r}") from None
    except ImportError as error:
        raise UserError(f"{where}: {named!r} cannot be imported: {error}") from None
    except AttributeError:
        raise UserError(f"{where}: module {module_name!r} has no class {class_name!r}") from None
    if isinstance(found, Adapter) or inspect.isfunction(found):
        return found
    if not (isinstance(found, type) and issubclass(found, LightningExperiment)):
        was = isinstance(found, type) and issubclass(found, Experiment)
        hint = "`Experiment` alone has no model: " if was else ""
        raise UserError(
            f"{where}: {named!r} is not a subclass of LightningExperiment. {hint}write "
            f"`from gonogo import LightningExperiment` and `class {class_name}(LightningExperiment)`"
        )
    if gone := [method for method in METHODS if hasattr(found, method)]:
        raise UserError(f"{where}: {named!r}: `{gone[0]}` is not called any more: {METHODS[gone[0]]}")
    if missing := sorted(found.__abstractmethods__):
        raise UserError(f"{where}: {named!r} lacks {', '.join(missing)} (docs/experiments.md)")
    return found


def load_experiments_or_exit(settings: Settings) -> dict[str, Experiment]:
    """Every experiment of the settings, for the Snakefile: an error and exit code 1 where one cannot be loaded."""
    places = {one.name: one for variants in settings.sweeps.values() for one in variants}
    found = {}
    for name, config in settings.experiments.items():
        try:
            found[name] = load_experiment(name, config, settings.root)
            found[name].check_packages()
            found[name].check_kind()
            found[name].check_inputs()
            found[name].check_commands()
            if name in places:
                _check_settings_are_read(found[name], places[name])
        except UserError as error:
            said = str(error)
            if name in places:  # which has no file of its own
                said = said.replace(f"config/experiments/{name}.yaml", places[name].where)
            sys.exit(f"error: {said}")
    return found


def _check_settings_are_read(experiment: Experiment, variant: Variant) -> None:
    """Raise UserError where a variant differs by a setting that the class does not have: it would not differ at all."""
    known = {f"settings.{key}" for key in flat(experiment.settings.model_dump(mode="json"))}
    for key in variant.values:
        if key.startswith("settings.") and not any(f"{one}.".startswith(f"{key}.") for one in known):
            raise UserError(f"{variant.where}: {key}: unknown key {unknown_name(key, sorted(known))}")
