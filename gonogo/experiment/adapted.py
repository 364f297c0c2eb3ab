"""An experiment made of what a project already has: every method of the contract is derived from an adapter."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from gonogo.base.errors import UserError
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.experiment.adapter import Adapter
from gonogo.experiment.command import NoSettings
from gonogo.experiment.contract import Progress
from gonogo.experiment.lightning import LightningExperiment
from gonogo.experiment.local_imports import imported_files
from gonogo.experiment.source_files import Methods, Stage, named_files

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule
    from torch import Tensor

    from gonogo.experiment.measure import Measure

OWN = ("learning_rate", "weight_decay", "warmup_epochs", "ema_decay", "ema_warmup")
"""Keys of `training:` that a function reads, or nobody."""
Source = Adapter | Callable[..., Adapter]


class AdaptedExperiment(LightningExperiment):
    """An experiment whose model, step and loaders an adapter holds.

    Args:
        source: the adapter, or the function that makes it, which is called when the adapter is first needed. Arguments
            named `training` and `data` get the keys of `training:` and the folder of the data.
    """

    Settings: ClassVar[type[BaseModel]] = NoSettings
    predicts_items = False
    averages_weights = False

    def __init__(
        self, name: str, config: ExperimentConfig, root: Path, assets: Path | None = None, *, source: Source
    ) -> None:
        super().__init__(name, config, root, assets)
        self.kind = config.kind
        self.source = source
        self._made: dict[str, Adapter] = {}
        self._current: Adapter | None = None

    def adapter(self, training: Training | None = None, data: Sequence[Path] | None = None) -> Adapter:
        """The adapter, made once for each plan and data that its function asks for.

        Args:
            training, data: nothing: the adapter that was asked for last.

        Raises:
            UserError: the function returns something else.
        """
        if isinstance(self.source, Adapter):
            return self.source
        if training is None and data is None and self._current is not None:
            return self._current
        asked, folder = self._asked(), next(iter(data or ()), self.data_folder())
        given: dict[str, Any] = {"training": training or self.config.training} if "training" in asked else {}
        given |= {"data": folder} if "data" in asked else {}
        if "data" not in asked and folder is not None:
            self._bring_near(folder)
        key = repr(given)
        if key not in self._made:
            made = self.source(**given)
            if not isinstance(made, Adapter):
                raise UserError(
                    f"{self.config.experiment_class}: it returns a {type(made).__name__}; it should return "
                    "gonogo.torch(…), gonogo.lightning(…) or gonogo.huggingface(…)"
                )
            self._made[key] = made
        self._current = self._made[key]
        return self._current

    def _asked(self) -> Collection[str]:
        return () if isinstance(self.source, Adapter) else inspect.signature(self.source).parameters

    def _bring_near(self, folder: Path) -> None:
        """Let the path at which the project's code looks for its data lead there: on a machine it lies elsewhere."""
        here = self.named_data()
        if here is not None and not here.exists() and folder.is_dir():
            here.parent.mkdir(parents=True, exist_ok=True)
            here.symlink_to(folder.resolve())

    def check_kind(self) -> None:
        """Raise UserError where the config does not say what only it can say, or sets what nothing reads."""
        problem = next(self._problems(), "")
        if problem:
            raise UserError(f"config/experiments/{self.name}.yaml: {problem}")
        super().check_kind()

    def _problems(self) -> Iterator[str]:
        named, config, asked = self.config.experiment_class, self.config, self._asked()
        if not config.data:
            yield f"data: {named} brings its own loaders; name the folder that they read: `data: FOLDER`"
        if not config.kind:
            yield "kind: say what the data is: views, images, volumes, series, points, text or files"
        if config.data and config.data.is_absolute() and "data" not in asked:
            yield f"data: {config.data} lies elsewhere on a rented machine: give {named} an argument `data` to read"
        given = config.training.model_fields_set
        if "training" not in asked and (unread := [key for key in OWN if key in given]):
            yield f"training: nothing reads {', '.join(unread)}: give {named} an argument `training`, or remove the key"
        if "micro_batch_size" not in given:
            yield "training: micro_batch_size: say how many samples a batch of your loader has"

    # --- code ---

    def import_root(self) -> Path:
        return self.root

    def source_files(self) -> list[Path]:
        """The function's file, what it imports of the project, and what `code:` names."""
        return sorted({*imported_files(self._file(), self.root), *named_files(self.config.code, self.root)})

    def source_files_of(self, stage: Stage) -> list[Path]:
        return [] if stage == "generate" else self.source_files()

    def _file(self) -> Path:
        module = self.config.experiment_class.partition(":")[0]
        found = importlib.util.find_spec(module)
        assert found is not None and found.origin  # it was imported from there
        return Path(found.origin)

    def settings_for(self, stage: Stage) -> Any:
        return [self.config.experiment_class, self.kind]

    def _unused(self, stage: Stage) -> Methods:
        return {}

    # --- data ---

    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        """Nothing: the data is the project's own."""
        return {}

    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        """Never asked for: the data is the project's own."""
        raise UserError(f"{self.name}: its data is there already; say where it lies: `data: FOLDER`")

    # --- training ---

    def module(self, training: Training) -> LightningModule:
        return self.adapter(training).module()

    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> LightningDataModule:
        from gonogo.experiment.loader_pair import LoaderPair

        return LoaderPair(*self.adapter(training, data).loaders(training.micro_batch_size))

    def before_trace(self, training: Training) -> None:
        self.adapter(training).batch_of(1)

    def example_batch(self, batch_size: int) -> Any:
        return self.adapter().batch_of(batch_size)

    def inputs(self, batch: Any) -> Tensor:
        return self.adapter().inputs(batch)

    def targets(self, batch: Any) -> Tensor:
        return self.adapter().targets(batch)

    def without_input(self, batch: Any) -> Any:
        return self.adapter().without_input(batch)

    def measure(self) -> Measure:
        return self.adapter().measure()

    # --- results ---

    def show(self, batch: Any, outputs: Tensor, out: Path) -> None:
        """Outputs above targets where both are pictures; nothing of anything else."""
        from gonogo.experiment.answers import picture_of

        picture = picture_of(outputs, self.targets(batch))
        if picture is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            picture.save(out)

    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        """Answers to the held-out samples into `out/answers.jsonl`, and what they are worth."""
        from gonogo.experiment.answers import answer_all

        training = self.config.training
        adapter = self.adapter(training, data)
        return answer_all(adapter, checkpoint, adapter.loaders(training.micro_batch_size), out)

    def infer(self, checkpoint: Path, given: str, out: Path, seed: int) -> list[Path]:
        """The model's outputs for what a `.npy` or `.pt` file holds: one sample as the model reads it, or several."""
        from gonogo.experiment.answers import answer_file

        return [answer_file(self.adapter(self.config.training), checkpoint, Path(given), out)]
