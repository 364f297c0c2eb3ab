"""An experiment whose data, training and predictions are programs of any make: `command:` in its YAML."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from gonogo.base.errors import UserError
from gonogo.base.models import StrictModel
from gonogo.config.command import Value, filled
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.experiment.contract import Experiment, Progress
from gonogo.experiment.program import run_program
from gonogo.experiment.script_files import scripts_in
from gonogo.experiment.script_flags import unknown_flags
from gonogo.experiment.source_files import Methods, Stage, named_files, repository_files, sendable, without_unused
from gonogo.quality.registry import kind_of

LINES: dict[Stage, tuple[str, ...]] = {  # of `command`, by the stage that runs them
    "generate": ("generate",), "train": ("train", "resume"), "predict": ("predict",),
}  # fmt: skip
READ_BY_PROGRAMS = {".py", ".pyx", ".sh", ".c", ".cpp", ".cu", ".h", ".yaml", ".yml", ".json", ".toml", ".ini", ".cfg"}
DOCUMENTS = ("readme", "changelog", "contributing", "license", "licence", "citation")  # files that no program reads


class NoSettings(StrictModel):
    """Where all that can be set is set in the words of commands, or in the project's own files."""


class CommandExperiment(Experiment):
    """Programs run from the repository's root, here and on the machine; docs/bring-your-own.md says what they must do.

    Raises:
        UserError: a file or folder of `code` is not there.
    """

    Settings: ClassVar[type[BaseModel]] = NoSettings

    def __init__(self, name: str, config: ExperimentConfig, root: Path, assets: Path | None = None) -> None:
        super().__init__(name, config, root, assets)
        assert config.command is not None
        self.command = config.command
        self.kind = config.kind
        self.resumes, self.predicts = bool(config.command.resume), bool(config.command.predict)
        self.is_watched = config.command.is_watched
        for path in config.code:
            if not (root / path).exists():
                raise UserError(f"config/experiments/{name}.yaml: code: {path} is not there, looked for in {root}")
        if config.requirements and not (root / config.requirements.expanduser()).is_file():
            where = f"config/experiments/{name}.yaml: requirements"
            raise UserError(f"{where}: {config.requirements} is not there, looked for in {root}")

    # --- data ---

    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        """Nothing: what makes the items is the program's own."""
        return {}

    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        """Run `generate` once for all of them; never called where the data exists.

        Raises:
            UserError: it failed, or made too few items.
        """
        out.mkdir(parents=True, exist_ok=True)
        values: dict[str, Value] = {"indices": ",".join(map(str, indices)), "out": out.resolve(), "seed": seed}
        run_program("command.generate", filled(self.command.generate, values), self.root, print)
        try:
            made = len(kind_of(self.kind).scan(out)[0])
        except UserError as error:
            raise UserError(
                f"command.generate exited with 0, but made no item of kind {self.kind!r}: {error}"
            ) from None
        if made < len(indices):
            raise UserError(f"command.generate made {made} of {len(indices)} items")
        progress(len(indices), len(indices))

    @property
    def samples_per_epoch(self) -> int:
        """At most: how many items the program holds out is not known."""
        return self.config.dataset_items * self.command.samples_per_item

    def steps_at_most(self, training: Training) -> int:
        """Optimizer steps of a run."""
        return training.epochs * math.ceil(self.samples_per_epoch / training.effective_batch_size)

    # --- results ---

    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        """Run `predict`, and read its metrics.json.

        Raises:
            UserError: it failed, or left no metrics.json with `skill` in it.
        """
        values: dict[str, Value] = {"checkpoint": checkpoint.resolve(), "out": out.resolve(), "seed": seed}
        words = filled(self.command.predict, values, [folder.resolve() for folder in data])
        run_program("command.predict", words, self.root, print)
        return _metrics(out / "metrics.json")

    def infer(self, checkpoint: Path, given: str, out: Path, seed: int) -> list[Path]:
        """Run `predict` with the new input in the place of {data}; metrics are its own affair.

        Raises:
            UserError: no command predicts, or it failed.
        """
        if not self.predicts:
            raise UserError(f"{self.name}: no command predicts; write `command.predict`")
        out.mkdir(parents=True, exist_ok=True)
        values: dict[str, Value] = {"checkpoint": checkpoint.resolve(), "out": out.resolve(), "seed": seed}
        run_program("command.predict", filled(self.command.predict, values, [Path(given).resolve()]), self.root, print)
        return sorted(file for file in out.rglob("*") if file.is_file())

    # --- what each stage's result depends on ---

    def settings_for(self, stage: Stage) -> Any:
        lines = [getattr(self.command, key) for key in LINES[stage]]
        if stage != "train":
            return [lines, self.kind]
        said = [words for words in (self.command.vary, self.command.metrics) if words]
        return [lines, self.kind, self.config.memory, self.command.samples_per_item, *said]

    def import_root(self) -> Path:
        return self.root

    def source_files(self) -> list[Path]:
        if self.config.code:
            return named_files(self.config.code, self.root)
        data = self.data_folder()
        files = [file for file in repository_files(self.root) if data is None or not file.is_relative_to(data)]
        return sendable(files, self.root)

    def scripts(self, *, of_inference: bool) -> list[Path]:
        keys = LINES["predict"] if of_inference else LINES["train"]
        return [file for key in keys for file in scripts_in(getattr(self.command, key), self.root)]

    def flags_of_commands(self) -> list[str] | None:
        return unknown_flags(f"{self.command.train} {self.command.resume}", self.root)

    def source_files_of(self, stage: Stage) -> list[Path]:
        """All of `code` but documents (a README), and but what only other commands name and no other file imports.

        Where `code` is all that git tracks: of it what a program may read.
        """
        if stage == "generate" and not self.command.generate:
            return []
        files = [file for file in self.source_files() if not file.name.lower().startswith(DOCUMENTS)]
        if not self.config.code:
            files = [file for file in files if file.suffix in READ_BY_PROGRAMS]
        if stage == "predict":
            return files
        own: list[Stage] = ["generate"] if stage == "generate" else ["generate", "train"]
        named = {name for other in LINES if other not in own for name in self._named(other)}
        named -= {name for mine in own for name in self._named(mine)}
        unused = [file for file in files if file.relative_to(self.root).as_posix() in named]
        return without_unused(files, unused, {})

    def _named(self, stage: Stage) -> set[str]:
        """Files that a stage's command lines name, as a path or as a module: `mine/train.py`, `-m mine.train`."""
        words = [word for key in LINES[stage] for word in shlex.split(getattr(self.command, key))]
        words += [self.config.memory.partition(":")[0]] if stage == "train" else []
        return {Path(word).as_posix() for word in words} | {word.replace(".", "/") + ".py" for word in words}

    def _unused(self, stage: Stage) -> Methods:
        return {}


def _metrics(path: Path) -> dict[str, float]:
    """Taken from among the predictions, which are then inspected as data is."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError("command.predict left no metrics.json in {out}: metrics by name, `skill` among them") from None
    except ValueError as error:
        raise UserError(f"command.predict: metrics.json is not valid JSON: {error}") from None
    numbers = isinstance(found, dict) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        for value in found.values()
    )
    if not numbers:
        raise UserError(
            f"command.predict: metrics.json should be numbers by name, as {{'skill': 0.5}}; it is {found!r}"
        )
    if "skill" not in found:
        raise UserError(
            f"command.predict: metrics.json has no `skill` (1 - error / error of predicting the training mean); it has "
            f"{', '.join(found) or 'nothing'}"
        )
    path.unlink()
    return {name: float(value) for name, value in found.items()}
