"""An experiment given as commands: words with placeholders, split as a shell would split them and run without one."""

from __future__ import annotations

import re
import shlex
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator, model_validator

from gonogo.base.models import Count, StrictModel

ALLOWED = {
    "generate": ("indices", "out", "seed"),
    "train": (
        "data", "out", "epochs", "max_steps", "micro_batch_size", "accumulate_grad_batches", "learning_rate",
        "precision", "seed",
    ),
    "resume": ("checkpoint",),
    "predict": ("checkpoint", "data", "out", "seed"),
}  # fmt: skip
REQUIRED = {
    "generate": ("indices", "out"),
    "train": (),
    "resume": ("checkpoint",),
    "predict": ("checkpoint", "data", "out"),
}

CHECKPOINTS = ("*.ckpt", "*.pt", "*.pth", "*.pth.tar", "*.safetensors", "checkpoint-*/")
OPTIONAL = ("generate", "resume", "predict")


class Command(StrictModel):
    """Scripts that know nothing of gonogo, given by their command lines. What they must do: docs/bring-your-own.md."""

    generate: str = Field(
        "",
        description="creates items; placeholders {indices} (comma-separated), {out}, {seed}; empty where `data` names "
        "a folder of data that exists",
    )
    train: str = Field(
        description="placeholders {data} (one word for each folder), {out}, {epochs}, {max_steps} (0: no limit), "
        "{micro_batch_size}, {accumulate_grad_batches}, {learning_rate}, {precision}, {seed}; without {data} it finds "
        "`data` where it lies in the repository, without {out} what it writes beside itself is collected"
    )
    resume: str = Field(
        "", description="words appended to `train` to resume from {checkpoint}; empty: it cannot resume"
    )
    predict: str = Field(
        "",
        description="placeholders {checkpoint}, {data}, {out}, {seed}; writes metrics.json into {out}; empty: the "
        "results gate sees what the run logged, and no predictions",
    )
    vary: str = Field(
        "",
        description="the script's own argument for its batch, {} in the place of its value: `--batch-size {}`; where "
        "`train` has no {micro_batch_size}, the memory gate finds the largest that fits with it",
    )
    metrics: str = Field(
        "",
        description="regular expression for the metrics that `train` prints, a named group each: "
        "`it (?P<step>\\d+) .* cost (?P<train_loss>\\S+)`; empty: as scripts usually print them, `step 10 loss 1.23`",
    )
    checkpoints: list[str] = Field(
        default_factory=list,
        description="names of the checkpoints that `train` writes, fetched while it runs; with a `/` at its end, of "
        "folders that are one each. Empty, of a script that is watched: those that the smoke run saw it save, else "
        "*.ckpt, *.pt, *.pth, *.pth.tar, *.safetensors, checkpoint-*/",
    )
    steps: int = Field(
        0,
        ge=0,
        description="optimizer steps of the whole run, for the forecast of a script that is watched; 0: as the "
        "script's own numbers, its trainer, or {epochs} and its loader say",
    )
    samples_per_item: Count = Field(1, description="training samples per item, for the forecast")

    @field_validator("generate", "train", "resume", "predict")
    @classmethod
    def _can_be_filled(cls, line: str, info: ValidationInfo) -> str:
        key = info.field_name or ""
        if line or key not in OPTIONAL:
            check_line(line, ALLOWED[key], REQUIRED[key])
        return line

    @property
    def saves(self) -> tuple[str, ...]:
        """Patterns of its checkpoints; none: best.ckpt and last.ckpt, as a command that was written for it leaves."""
        return tuple(self.checkpoints) or (CHECKPOINTS if self.is_watched else ())

    @property
    def is_watched(self) -> bool:
        """Its script is watched as it is, by the passes of `gonogo check`: it was written for no workflow.

        One that generates its data and can be told how many steps to take is rehearsed, and judged by its metrics.csv.
        """
        return not (self.generate and "max_steps" in placeholders(self.train))

    @field_validator("checkpoints")
    @classmethod
    def _below_the_folder(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            if any(part in ("", ".", "..") for part in pattern.removesuffix("/").split("/")):
                raise ValueError(f"{pattern!r}: write a name with * or ?, relative to where the script writes")
        return patterns

    @field_validator("metrics")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        try:
            names = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        if pattern and not names:
            raise ValueError("no named group: write (?P<train_loss>\\S+) where the value stands")
        return pattern

    @field_validator("vary")
    @classmethod
    def _has_one_place(cls, words: str) -> str:
        if words and sum(word.count("{}") for word in shlex.split(words)) != 1:
            raise ValueError("write {} once, where the number goes, as in '--batch-size {}'")
        return words

    @model_validator(mode="after")
    def _vary_is_needed(self) -> Command:
        if self.vary and "micro_batch_size" in placeholders(self.train):
            raise ValueError("vary: `train` has {micro_batch_size}, with which the batch is varied; remove `vary`")
        return self


Value = str | int | float | Path

FOLDERS = "{data}"  # alone in its word, it becomes one word for each folder


def placeholders(line: str) -> list[str]:
    """Names in braces; a literal brace is written twice.

    Raises:
        ValueError: a quotation or a brace is not closed, or a placeholder asks for more than its value.
    """
    names = []
    for word in shlex.split(line):
        for _, name, spec, conversion in string.Formatter().parse(word):
            if name is None:
                continue
            if spec or conversion:
                raise ValueError(f"placeholder {{{name}}} takes no format; a literal brace is written {{{{ or }}}}")
            names.append(name)
    return names


def check_line(line: str, allowed: Sequence[str], required: Sequence[str]) -> None:
    """Raise ValueError when a command line cannot be filled."""
    found = placeholders(line)
    if not shlex.split(line):
        raise ValueError("no words: write the command")
    known = ", ".join(f"{{{name}}}" for name in allowed)
    for name in found:
        if name not in allowed:
            raise ValueError(
                f"unknown placeholder {{{name}}}; allowed: {known}. A literal brace is written {{{{ or }}}}"
            )
    if missing := [f"{{{name}}}" for name in required if name not in found]:
        raise ValueError(f"{' and '.join(missing)} missing: the command could not know it")
    if any(FOLDERS in word and word != FOLDERS for word in shlex.split(line)):
        raise ValueError(f"{FOLDERS} must stand alone: it becomes one word for each folder")


def filled(line: str, values: Mapping[str, Value], data: Sequence[Path] = ()) -> list[str]:
    """The words with their values, whatever blanks or quotes those hold."""
    words: list[str] = []
    for word in shlex.split(line):
        words += [str(folder) for folder in data] if word == FOLDERS else [word.format_map(values)]
    return words
