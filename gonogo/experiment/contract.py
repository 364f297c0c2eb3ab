"""The contract that an experiment fulfils, and how the workflow finds one by name."""

from __future__ import annotations

import importlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel

from gonogo.base.digests import code_digest, digest
from gonogo.base.errors import UserError
from gonogo.base.files import walk
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.load import validate
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.inspector import Inspector
from gonogo.quality.registry import check_kind, kind_of

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule
    from torch import Tensor

    from gonogo.config.experiment import Smoke
    from gonogo.config.gate_thresholds import LearningGate
    from gonogo.forecast.speed import Speed
    from gonogo.learning.measurements import Measurements
    from gonogo.memory.options import PlanOption
    from gonogo.memory.step import Step
    from gonogo.training.spec import RunSpec, TrainingResult
Stage = Literal["generate", "train"]
Progress = Callable[[int, int], None]
Say = Callable[[str], None]


class Experiment(ABC):
    """One machine-learning experiment, from its data to its predictions.

    A subclass lives in a folder of its own below `experiments/` and is named by `class:` in its YAML.
    Its module is imported whenever the workflow is read, so torch and other heavy libraries are imported
    inside the methods that need them.

    Attributes:
        kind: which inspector reads the data: `views`, `images`, `volumes`, `series`, `points` or `text`.
        Settings: pydantic model of the experiment's own keys (`settings:` in its YAML).
        packages: import name → extra to install, for libraries beyond the core.
        resumes: whether `run_training` can go on from a checkpoint.
        trains_with_assets: whether training reads what `prepare` made; it is sent to the machine then.
        assets: folder that `prepare` filled; None where nothing is known of it, as in a trace.
        starts_from: checkpoint that training begins with, where the config names one (`starts_from:`).
    """

    kind: str
    Settings: ClassVar[type[BaseModel]]
    packages: ClassVar[dict[str, str]] = {}
    generate_code: ClassVar[tuple[str, ...]] = ()
    resumes: bool = True
    trains_with_assets: ClassVar[bool] = False

    def __init__(self, name: str, config: ExperimentConfig, root: Path, assets: Path | None = None) -> None:
        self.name = name
        self.config = config
        self.root = root
        self.assets = assets
        self.starts_from: Path | None = None
        self.settings = validate(self.Settings, config.settings, f"config/experiments/{name}.yaml", "settings")

    # --- data ---

    @abstractmethod
    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        """Make what `generate` needs (fit a decoder, build an index) into `out`, and measure it alone.

        Returns:
            Measurements for the generator gate: the keys of `gonogo.gates.generator.Measurements`.
        """

    @abstractmethod
    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        """Write the items with these indices into `out`, one folder or file each; the same index gives the same item.

        `progress(done, total)` is called after each item.
        """

    def inspector(self, gate: QualityGate) -> Inspector:
        """What reads this experiment's data, as the gate wants it read; extended where a kind asks for more."""
        return kind_of(self.kind).configured(gate)

    # --- training ---

    @abstractmethod
    def module(self, training: Training) -> LightningModule:
        """The model with its loss and optimizer.

        `training_step(batch, i)` returns the loss and works without a Trainer (the memory trace calls it). A module
        with several optimizers optimizes by hand: see `gonogo.training.manual_optimization`.
        `predict_step(batch, i)` returns outputs shaped like `targets(batch)`.
        """

    @abstractmethod
    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> LightningDataModule:
        """Batches from the generated folders `data`, split by whole items."""

    @abstractmethod
    def example_batch(self, batch_size: int) -> Any:
        """A batch of the right shapes and dtypes, any values: what the memory trace feeds."""

    def heaviest(self, module: LightningModule, training: Training) -> None:
        """Bring a fresh module to the phase of this training that needs most memory; the memory trace asks for it."""
        return

    def error(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Held-out error, a scalar: what `validation_step` logs as `val_loss`, and what skill is reckoned in."""
        return (outputs - targets).abs().mean()

    @abstractmethod
    def inputs(self, batch: Any) -> Any:
        """Tensor that the model reads (N, …), for the learning gate."""

    @abstractmethod
    def targets(self, batch: Any) -> Any:
        """Tensor that the model should produce (N, …), for the learning gate."""

    @abstractmethod
    def without_input(self, batch: Any) -> Any:
        """The batch with what the model reads zeroed: does it use its input at all?"""

    def groups(self, batch: Any) -> list[str] | None:
        """For each sample what it was made from (a photograph, a subject), which must lie on one side of the split.

        None: nothing is known of it.
        """
        return None

    # --- how it is trained: with Lightning, unless these are overridden ---

    def run_training(self, spec: RunSpec, out: Path, say: Say, checkpoint: Path | None = None) -> TrainingResult:
        """Train as `spec` says, on the machine; `checkpoints/best.ckpt` or `last.ckpt` is left in `out`.

        Args:
            say: told of progress in lines that begin with `step N/M`; where none comes, the run counts as hung.
            checkpoint: where training goes on.
        """
        from gonogo.training.run import train

        return train(self, spec, out, say, checkpoint=checkpoint)[0]

    def rehearse(
        self, spec: RunSpec, smoke: Smoke, out: Path, say: Say, progress: Say, gate: LearningGate
    ) -> tuple[Measurements, TrainingResult, Speed]:
        """The smoke run, and what the learning gate and the forecast want to know of it."""
        from gonogo.learning.smoke import smoke_run

        return smoke_run(self, spec, smoke, out, say, progress, gate)

    def memory_step(self, training: Training) -> Step:
        """A training step for the memory trace.

        Raises:
            UserError: there is none; the memory gate then says UNKNOWN.
        """
        from gonogo.memory.step import experiment_step

        return experiment_step(self, training)

    # --- results ---

    @abstractmethod
    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        """Predict held-out items from a checkpoint into `out`, in the data's own layout.

        Returns:
            Metrics by name; `skill` (1 - error / error of predicting the training mean) is always among them.
        """

    @abstractmethod
    def show(self, batch: Any, outputs: Any, out: Path) -> None:
        """Write one picture of outputs beside targets: what a person would look at during training."""

    # --- what the workflow asks about it ---

    def assets_needed(self) -> list[tuple[str, bool, str]]:
        """Pretrained files that the settings name: (name, whether it is there and runs, detail)."""
        return []

    def lacking(self) -> list[str]:
        """What must be there before a first stage can run and is not, each with what to do; empty: nothing."""
        folder = self.inputs_folder()
        missing = [] if folder is None or folder.is_dir() else [f"inputs: {folder} is not there"]
        return missing + [detail for _, there, detail in self.assets_needed() if not there]

    def planned_steps(self, training: Training) -> int | None:
        """Optimizer steps of a run as configured; None where only the data says how many."""
        return None

    def plan_options(self) -> list[PlanOption]:
        """What can be changed about a training step so that it needs less memory, with what each change costs.

        Smaller micro-batches with more accumulation, and half precision, are always tried and not named here.
        """
        return []

    def settings_for(self, stage: Stage) -> Any:
        """The settings that a stage's result depends on; a change to them, and to no other, redoes the stage."""
        return self.settings.model_dump(mode="json")

    def fingerprint(self, stage: Stage) -> str:
        """Digest of the code and settings that a stage's result depends on."""
        return digest(self.settings_for(stage), code_digest(self.code(stage)))

    def inputs_folder(self) -> Path | None:
        """Where the inputs lie; relative paths count from the repository's root."""
        return None if self.config.inputs is None else self.root / self.config.inputs.expanduser()

    def inputs_listing(self) -> str:
        """Digest of the names, sizes and times of the input files, so that a changed input is noticed at once."""
        folder = self.inputs_folder()
        if folder is None or not folder.is_dir():
            return ""
        return digest([(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in walk(folder)])

    def import_root(self) -> Path:
        """The folder that the experiment's package is imported from."""
        module = importlib.import_module(type(self).__module__)
        return Path(module.__file__ or "").parents[module.__name__.count(".")]

    def code(self, stage: Stage) -> list[Path]:
        """Source files that a stage's result depends on."""
        folder = Path(importlib.import_module(type(self).__module__).__file__ or "").parent
        files = sorted(folder.glob("*.py"))
        if stage == "generate":
            return [file for file in files if file.name in self.generate_code]
        return files

    def check_kind(self) -> None:
        """Raise UserError where no inspector reads this kind of data, or its library is not installed."""
        try:
            check_kind(self.kind)
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from None

    def check_packages(self) -> None:
        """Raise UserError for a library that this experiment needs and that is not installed."""
        for package, extra in self.packages.items():
            if importlib.util.find_spec(package) is None:
                raise UserError(
                    f"{self.name} needs the package {package!r}, which is not installed: pip install '.[{extra}]'"
                )
