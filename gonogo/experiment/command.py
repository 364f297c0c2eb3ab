"""An experiment whose data, training and predictions are programs of any make: `command:` in its YAML."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from gonogo.base.errors import UserError
from gonogo.base.files import walk
from gonogo.base.models import StrictModel
from gonogo.config.command_line import Value, filled, placeholders
from gonogo.config.experiment import ExperimentConfig, Smoke, Training
from gonogo.config.gate_thresholds import LearningGate
from gonogo.experiment.contract import Experiment, Progress, Say, Stage
from gonogo.experiment.metrics_csv import LossLog
from gonogo.experiment.program import Program, run_program
from gonogo.experiment.program_monitor import Watched
from gonogo.quality.registry import kind_of

if TYPE_CHECKING:
    from gonogo.forecast.speed import Speed
    from gonogo.learning.measurements import Measurements
    from gonogo.memory.step import Step
    from gonogo.training.spec import RunSpec, TrainingResult

POLL_S = 0.1
CHECKPOINTS = ("best.ckpt", "last.ckpt")
PLANNED = ("accumulate_grad_batches", "precision")  # keys of a step that the memory plan varies, besides its batch
WORDS_THAT_TRAIN = ("train", "resume", "predict")


class NoSettings(StrictModel):
    """What a command is told stands in its words."""


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
        self.resumes = bool(config.command.resume)
        for path in config.code:
            if not (root / path).exists():
                raise UserError(f"config/experiments/{name}.yaml: code: {path} is not there, looked for in {root}")

    # --- data ---

    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        """Nothing: what makes the items is the program's own."""
        return {}

    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        """Run `generate` once for all of them.

        Raises:
            UserError: it failed, or made fewer items than it was asked for.
        """
        out.mkdir(parents=True, exist_ok=True)
        values: dict[str, Value] = {"indices": ",".join(map(str, indices)), "out": out.resolve(), "seed": seed}
        run_program("command.generate", filled(self.command.generate, values), self.root, print)
        try:
            made = len(kind_of(self.kind).scan(out)[0])
        except UserError as error:
            raise UserError(f"command.generate ended well, and made no item of kind {self.kind!r}: {error}") from None
        if made < len(indices):
            raise UserError(f"command.generate made {made} of the {len(indices)} items that it was asked for")
        progress(len(indices), len(indices))

    # --- training ---

    def run_training(self, spec: RunSpec, out: Path, say: Say, checkpoint: Path | None = None) -> TrainingResult:
        """Run `train` to its end, or to its first loss that is no number; `spec.gate` is not asked along the way.

        Raises:
            UserError: it failed, or left no metrics.csv or no checkpoint.
        """
        out = out.resolve()
        (out / "checkpoints").mkdir(parents=True, exist_ok=True)
        losses = LossLog(out / "metrics.csv")
        losses.set_aside()
        watched = Watched(losses, say, spec.max_steps or self._steps(spec.training))
        words = self._words(spec, out, checkpoint)
        deadline = math.inf if spec.max_minutes is None else time.monotonic() + 60 * spec.max_minutes
        started, stopped = time.time(), ""
        with Program("command.train", words, self.root, say) as program:
            while program.running(POLL_S) and not stopped:
                watched.look()
                stopped = losses.bad or (
                    f"cut after {spec.max_minutes:g} min" if time.monotonic() > deadline and spec.max_minutes else ""
                )
            program.end() if stopped else None
            watched.look(ended=True)
            if not (stopped or losses.bad):
                program.check()
        _check_outputs(out, losses, complete=not (stopped or losses.bad))
        return watched.result(spec, time.time() - started, losses.bad or stopped)

    def _words(self, spec: RunSpec, out: Path, checkpoint: Path | None) -> list[str]:
        training, data = spec.training, [folder.resolve() for folder in spec.data]
        values: dict[str, Value] = {
            "out": out, "epochs": training.epochs, "max_steps": spec.max_steps or 0, "seed": spec.seed,
            "micro_batch_size": training.micro_batch_size, "precision": training.precision,
            "accumulate_grad_batches": training.accumulate_grad_batches, "learning_rate": training.learning_rate,
        }  # fmt: skip
        words = filled(self.command.train, values, data)
        if checkpoint is None:
            return words
        if not self.resumes:
            raise UserError(f"{self.name}: command.resume is not given: training cannot go on from {checkpoint}")
        return [*words, *filled(self.command.resume, {"checkpoint": checkpoint.resolve()})]

    def _samples(self) -> int:
        """In an epoch, at most: how many items the program holds out is not known."""
        return self.config.dataset_items * self.command.samples_per_item

    def _steps(self, training: Training) -> int:
        return training.epochs * math.ceil(self._samples() / training.effective_batch_size)

    def rehearse(
        self, spec: RunSpec, smoke: Smoke, out: Path, say: Say, progress: Say, gate: LearningGate
    ) -> tuple[Measurements, TrainingResult, Speed]:
        """`train` for `spec.max_steps`; what it shows are its losses."""
        from gonogo.forecast.hardware_probe import bandwidth_gb_s, tflops_fp32
        from gonogo.forecast.speed import Speed
        from gonogo.learning.loss_checks import measured_losses

        result = self.run_training(spec, out, progress)
        first, last = result.train_loss[0], result.train_loss[-1]
        say(f"{result.steps} steps in {result.wall_s:.0f} s, loss {first:.3f} → {last:.3f}")
        steady = sorted(result.step_s[3:] or result.step_s)
        speed = Speed(
            step_s=statistics.median(steady),
            step_s_low=steady[len(steady) // 10],
            step_s_high=steady[len(steady) * 9 // 10],
            samples_per_step=spec.training.effective_batch_size,
            train_samples=self._samples(),
            epoch_overhead_s=0.0,  # in the step times
            tflops_fp32=tflops_fp32(),
            bandwidth_gb_s=bandwidth_gb_s(),
        )
        return measured_losses(result), result, speed

    def memory_step(self, training: Training) -> Step:
        """What the entry point `memory:` returns, in the precision and accumulation that `train` is told."""
        from gonogo.memory.builders import from_entry

        if not self.config.memory:
            raise UserError("no `memory:` entry point is given (docs/bring-your-own.md)")
        step = from_entry(self.config.memory, training.micro_batch_size)
        told = placeholders(self.command.train)
        return dataclasses.replace(step, **{key: getattr(training, key) for key in PLANNED if key in told})

    # --- results ---

    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        """Run `predict`, and take its metrics.json.

        Raises:
            UserError: it failed, or left no metrics.json with `skill` in it.
        """
        values: dict[str, Value] = {"checkpoint": checkpoint.resolve(), "out": out.resolve(), "seed": seed}
        words = filled(self.command.predict, values, [folder.resolve() for folder in data])
        run_program("command.predict", words, self.root, print)
        return _metrics(out / "metrics.json")

    # --- what the workflow asks about it ---

    def settings_for(self, stage: Stage) -> Any:
        keys = ("generate",) if stage == "generate" else WORDS_THAT_TRAIN
        said = {key: getattr(self.command, key) for key in keys}
        return [said, self.kind] if stage == "generate" else [said, self.config.memory, self.command.samples_per_item]

    def import_root(self) -> Path:
        return self.root

    def code(self, stage: Stage) -> list[Path]:
        """All of `code`; for `generate` without the files that other commands name and it does not."""
        files = [file for path in self.config.code for file in self._files(self.root / path)]
        if stage == "train":
            return files
        others = {word for key in WORDS_THAT_TRAIN for word in getattr(self.command, key).split()}
        others -= set(self.command.generate.split())
        return [file for file in files if file.relative_to(self.root).as_posix() not in others]

    def _files(self, path: Path) -> list[Path]:
        return [path] if path.is_file() else [file for file in walk(path) if file.suffix != ".pyc"]

    def _unknown(self, *_: Any, **__: Any) -> Any:
        raise UserError(f"{self.name} is given by its commands: gonogo knows neither its model nor its batches")

    module = datamodule = example_batch = inputs = targets = without_input = show = _unknown


def _check_outputs(out: Path, losses: LossLog, *, complete: bool) -> None:
    """Raise UserError where a run left nothing to judge, or nothing to predict with."""
    if not losses.path.exists():
        raise UserError(f"command.train left no metrics.csv in {{out}} ({out}); its columns: step, train_loss")
    if not losses.train_loss:
        raise UserError(f"command.train wrote no train_loss into {losses.path}")
    found = sorted(path.name for path in (out / "checkpoints").glob("*.ckpt"))
    if complete and not set(found) & set(CHECKPOINTS):
        there = f"; there are {', '.join(found)}" if found else ""
        raise UserError(f"command.train left neither best.ckpt nor last.ckpt in {{out}}/checkpoints ({out}){there}")


def _metrics(path: Path) -> dict[str, float]:
    """Taken from among the predictions, which are then looked at as data is."""
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        raise UserError("command.predict left no metrics.json in {out}: metrics by name, `skill` among them") from None
    except ValueError as error:
        raise UserError(f"command.predict: metrics.json is no JSON: {error}") from None
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
