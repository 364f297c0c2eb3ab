"""`--config epochs=150`: keys of an experiment that the command line changes, as a mode of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gonogo.base.commands import CUSTOM
from gonogo.base.errors import UserError
from gonogo.base.mappings import deep_merged, nested
from gonogo.config.experiment import ExperimentConfig, ModeConfig, Training
from gonogo.config.explain import unknown_name
from gonogo.config.unread import unread
from gonogo.config.workflow import Config


def spread(raw: Mapping[str, Any]) -> dict[str, Any]:
    """`raw` with keys of training below `training`, and what Snakemake read of mappings as the values that they say.

    {"epochs": 9, "settings": {"data.size": "64"}} is {"training": {"epochs": 9}, "settings": {"data": {"size": 64}}}.

    Raises:
        UserError: a key is neither the workflow's nor one of training.
    """
    keys = [*Config.model_fields, *Training.model_fields]
    for key in raw:
        if key not in keys:
            raise UserError(f"config/config.yaml or --config: {key}: unknown key {unknown_name(key, keys)}")
    own = {key: value for key, value in raw.items() if key not in Training.model_fields}
    alone = {key: value for key, value in raw.items() if key in Training.model_fields}
    for key in ("training", "settings", "stages"):
        if isinstance(own.get(key), Mapping):
            own[key] = _nested(own[key])
    return {**own, "training": deep_merged(own.get("training") or {}, alone)} if alone else own


def with_custom_mode(
    experiment: ExperimentConfig, base: str, training: Mapping[str, Any], settings: Mapping[str, Any], where: str
) -> ExperimentConfig:
    """The experiment with a mode `custom`: the mode `base` with these keys of training, and these settings.

    Raises:
        UserError: the experiment has such a mode, or nothing reads a key.
    """
    if CUSTOM in experiment.modes:
        raise UserError(f"{where}: modes.{CUSTOM}: keys of --config make a mode of this name; rename it")
    if said := unread({"training": training, "settings": settings}, experiment):
        raise UserError(f"--config: {said}")
    of_base = experiment.modes[base]
    custom = ModeConfig(
        when=f"{base}, with keys of the command line", training={**of_base.training, **training}, result=of_base.result
    )
    merged = deep_merged(experiment.settings, settings)
    return experiment.model_copy(update={"modes": {**experiment.modes, CUSTOM: custom}, "settings": merged})


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as mappings, and words as the numbers and truth values that they say."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found = deep_merged(found, nested(str(key), _nested(value) if isinstance(value, Mapping) else _said(value)))
    return found


def _said(value: Any) -> Any:
    if isinstance(value, list):
        return [_said(each) for each in value]
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
