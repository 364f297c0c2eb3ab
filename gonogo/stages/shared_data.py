"""Data that several variants of a sweep share: made, and judged, once, for the first of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from gonogo.base.digests import digest
from gonogo.base.errors import UserError
from gonogo.config.load import Settings
from gonogo.experiment.contract import Experiment
from gonogo.gates.registry import upto

GATES = upto("quality/dataset")  # those that judge data
MADE = ("assets", "generator", "sample", "dataset", "quality")  # folders of data, below an experiment's results
# keys that the data depend on, beside what the experiment's class says (`Experiment.settings_for`)
KEYS = {"experiment_class", "kind", "inputs", "data", "dummy_data", "sample_items", "dataset_items", "shards"}


def owners_or_exit(settings: Settings, experiments: Mapping[str, Experiment]) -> dict[str, str]:
    """`owners`, as the Snakefile calls it: one line and exit code 1 instead of a traceback."""
    try:
        return owners(settings, experiments)
    except UserError as error:
        sys.exit(f"error: {error}")


def owners(settings: Settings, experiments: Mapping[str, Experiment]) -> dict[str, str]:
    """Experiment → the one whose data it is trained on: itself, or the sweep that it is a variant of, or an earlier
    variant; where nothing differs that the data, or their verdicts, depend on.
    """
    found = {name: name for name in experiments}
    for sweep, variants in settings.sweeps.items():
        first: dict[str, str] = {}
        for name in [sweep, *(one.name for one in variants)]:
            owner = first.setdefault(_digest(settings, experiments[name]), name)
            made_before = any(_is_own(settings.paths(name).experiment / folder) for folder in MADE)
            found[name] = name if made_before else owner
    return found


def _digest(settings: Settings, experiment: Experiment) -> str:
    gates = settings.gates[experiment.name]
    return digest(
        experiment.fingerprint("generate"),
        experiment.config.model_dump(mode="json", include=KEYS),
        [gates.generator.model_dump(mode="json"), gates.quality.model_dump(mode="json")],
        [one.model_dump(mode="json") for one in settings.config.overrides if one.experiment == experiment.name],
    )


def _is_own(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink()


def link_data(settings: Settings, found: Mapping[str, str]) -> None:
    """Let each experiment's folders of data be links to those that it shares, for whoever reads them by its name."""
    for name, owner in found.items():
        folder = settings.paths(name).experiment
        for made in MADE:
            link, target = folder / made, Path("..", owner, made)
            if link.is_symlink() and (owner == name or link.readlink() != target):
                link.unlink()
            if owner != name and not link.is_symlink():
                folder.mkdir(parents=True, exist_ok=True)
                link.symlink_to(target, target_is_directory=True)
