"""An experiment by the name in its YAML."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig
from gonogo.config.load import Settings

if TYPE_CHECKING:
    pass
from gonogo.experiment.contract import Experiment


def load_experiment(name: str, config: ExperimentConfig, root: Path, assets: Path | None = None) -> Experiment:
    """The experiment that `class:` names, or that of the commands, with its settings checked.

    Raises:
        UserError: the class cannot be found or imported, or a setting is wrong.
    """
    if config.command is not None:
        from gonogo.experiment.command import CommandExperiment

        return CommandExperiment(name, config, root, assets)
    where = f"config/experiments/{name}.yaml: class"
    module_name, _, class_name = config.experiment_class.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        raise UserError(f"{where}: {config.experiment_class!r} cannot be imported: no module {error.name!r}") from None
    except AttributeError:
        raise UserError(f"{where}: module {module_name!r} has no class {class_name!r}") from None
    if not (isinstance(found, type) and issubclass(found, Experiment)):
        raise UserError(
            f"{where}: {config.experiment_class!r} is not a subclass of gonogo.experiment.contract.Experiment"
        )
    return found(name, config, root, assets)


def load_experiments_or_exit(settings: Settings) -> dict[str, Experiment]:
    """Every experiment that was asked for, as the Snakefile wants them: one line and exit code 1 if one cannot be."""
    try:
        found = {name: load_experiment(name, config, settings.root) for name, config in settings.experiments.items()}
        for experiment in found.values():
            experiment.check_packages()
            experiment.check_kind()
    except UserError as error:
        sys.exit(f"error: {error}")
    return found
