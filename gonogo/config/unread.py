"""Keys of an experiment's file that nothing would read: each is an error, because it was written to have an effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gonogo.config.command import Command, placeholders
from gonogo.config.experiment import ExperimentConfig

OF_ANY = {"epochs", "micro_batch_size", "accumulate_grad_batches", "precision"}  # `training`: forecast and memory
OF_CLASSES = {
    "min_target_input_ratio", "max_unconnected_share", "max_overfit_ratio", "min_skill", "min_input_skill",
    "output_mean_range", "max_output_mean_shift", "min_output_sigma_ratio",
}  # fmt: skip
OF_LOSSES = {"max_loss_spike", "max_loss_explosion", "min_telling_fall"}  # `gates.learning`
OF_SCRIPTS = {"min_batch_fall", "max_blank_share", "max_class_share", "max_wait_share"}
LEARNING = {
    "class": {*OF_CLASSES, "max_leaked_share"},
    "command": {*OF_LOSSES, "min_validations"},
    "script": {*OF_LOSSES, *OF_SCRIPTS, "max_leaked_share"},
}
JUDGED = {
    "class": "a class is judged by what its model does",
    "command": "a command is judged by the losses of its metrics.csv",
    "script": "command.train is watched as it is",
}


def unread(raw: Mapping[str, Any], config: ExperimentConfig) -> str:
    """The first key that nothing reads, with what to do; empty: all are read.

    Args:
        raw: the file as it was written.
    """
    return next(_unread(raw, config), "")


def judged_as(config: ExperimentConfig) -> str:
    """Key of `LEARNING`."""
    if config.command is None:
        return "class"
    return "script" if config.command.is_watched else "command"


def _unread(raw: Mapping[str, Any], config: ExperimentConfig) -> Iterator[str]:
    kind = judged_as(config)
    for key in _mapping(_mapping(raw, "gates"), "learning"):
        known = set().union(*LEARNING.values())
        if key in known and key not in LEARNING[kind]:
            yield f"gates.learning.{key}: not read, {JUDGED[kind]}; it reads {', '.join(sorted(LEARNING[kind]))}"
    smoke = _mapping(raw, "smoke")
    if kind != "script" and smoke.get("arguments"):
        yield "smoke.arguments: only a command that is watched gets them; remove the key"
    if config.command is None:
        return
    if kind != "script" and config.command.steps:
        yield "command.steps: only of a command that is watched; remove the key"
    for key in ("settings", "overfit_steps", "max_extension"):
        if smoke.get(key):
            instead = ", write smoke.arguments" if key == "settings" and kind == "script" else ""
            yield f"smoke.{key}: only with `class`; remove the key{instead}"
    if "validation_share" in raw:
        yield "validation_share: only with `class`; a command's script holds items out itself, remove the key"
    if config.memory and config.command.vary:
        yield "command.vary: not read, the memory gate traces the step that `memory` names; remove one of them"
    yield from _training(raw, config.command)


def _training(raw: Mapping[str, Any], command: Command) -> Iterator[str]:
    """Keys of `training` that no placeholder hands to the script."""
    read = {*OF_ANY, *placeholders(command.train)}
    modes = {f"modes.{name}.training": _mapping(mode, "training") for name, mode in _mapping(raw, "modes").items()}
    smoke = _mapping(_mapping(raw, "smoke"), "training")
    places = {"training": _mapping(raw, "training"), "on_cpu": _mapping(raw, "on_cpu"), "smoke.training": smoke}
    for place, keys in {**places, **modes}.items():
        for key in keys:
            if key not in read:
                way = f"write {{{key}}} into the command" if key == "learning_rate" else "give it as an option there"
                yield f"{place}.{key}: command.train does not take it; {way}, or remove the key"


def _mapping(raw: Any, key: str) -> Mapping[str, Any]:
    found = raw.get(key) if isinstance(raw, Mapping) else None
    return found if isinstance(found, Mapping) else {}
