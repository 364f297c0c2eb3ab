"""The contract of every experiment: its data, its predictions, and what each stage's result depends on."""

from __future__ import annotations

import importlib.util
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from gonogo.base.commands import CUSTOM
from gonogo.base.digests import digest, listing_digest
from gonogo.base.errors import UserError
from gonogo.base.extras import install_line
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.load import validate
from gonogo.config.quality_thresholds import QualityGate
from gonogo.experiment.pretrained import Asset, assets_in
from gonogo.experiment.script_files import INFERENCE, imports_of
from gonogo.experiment.source_files import Methods, Stage, sendable, source_digest, without_unused
from gonogo.quality.inspector import Inspector
from gonogo.quality.registry import check_kind, kind_of

if TYPE_CHECKING:
    from gonogo.experiment.plan_option import PlanOption

Progress = Callable[[int, int], None]
Say = Callable[[str], None]

READS_INPUTS = re.compile(r"\binputs_folder\b|\bconfig\.inputs\b")


class Experiment(ABC):
    """One machine-learning experiment, from its data to its predictions.

    Authors subclass `LightningExperiment`, which adds how it is trained; `CommandExperiment` is made from commands.

    Attributes:
        kind: which inspector reads the data: `views`, `images`, `volumes`, `series`, `points` or `text`.
        Settings: pydantic model of the experiment's own keys (`settings:` in its YAML).
        packages: import name → extra to install, for libraries beyond the core.
        framework: the same for what trains it.
        generate_code: names of the files beside the class that making the data depends on.
        predict_code: names of those that only predictions and pictures depend on: training is not repeated for them.
        resumes: whether training can go on from a checkpoint.
        predicts: whether there are predictions to judge; without, the results gate sees what the run logged.
        trains_with_assets: whether training reads what `prepare` made; it is sent to the machine then.
        predicts_items: whether predictions have the data's own layout, and are inspected as data is.
        assets: folder that `prepare` filled; None where nothing is known of it, as in a trace.
        data_at: where the data lies that the config names as `data:`, on a machine to which it was sent.
        starts_from: checkpoint that training begins with, where the config names one (`starts_from:`).
    """

    kind: str
    Settings: ClassVar[type[BaseModel]]
    packages: ClassVar[dict[str, str]] = {}
    framework: ClassVar[dict[str, str]] = {}
    generate_code: ClassVar[tuple[str, ...]] = ()
    predict_code: ClassVar[tuple[str, ...]] = ("predict.py", "show.py", "infer.py")
    resumes: bool = True
    predicts: bool = True
    trains_with_assets: ClassVar[bool] = False
    predicts_items: ClassVar[bool] = True

    def __init__(self, name: str, config: ExperimentConfig, root: Path, assets: Path | None = None) -> None:
        self.name = name
        self.config = config
        self.root = root
        self.assets = assets
        self.starts_from: Path | None = None
        self.data_at: Path | None = None
        where = f"config/experiments/{name}.yaml" + (" or --config" if CUSTOM in config.modes else "")
        self.settings = validate(self.Settings, config.settings, where, "settings")

    # --- data ---

    @abstractmethod
    def prepare(self, out: Path, seed: int) -> dict[str, Any]:
        """Make what `generate` needs (fit a decoder, build an index) into `out`, and measure it on its own.

        Returns:
            Metrics by name, which `gates.generator` holds against its thresholds; and, if there is one, `picture`: a
            file in `out` to look at. Nothing where nothing is fitted.
        """

    @abstractmethod
    def generate(self, indices: Sequence[int], out: Path, seed: int, progress: Progress) -> None:
        """Write the items with these indices into `out`, one folder or file each; the same index gives the same item.

        `progress(done, total)` is called after each item.
        """

    def items_there(self) -> int | None:
        """How many items `generate` can make of the inputs; None: any number."""
        return None

    def inspector(self, gate: QualityGate) -> Inspector:
        """What reads this experiment's data, as the gate wants it read; extended where a kind asks for more."""
        return kind_of(self.kind).configured(gate)

    # --- results ---

    @abstractmethod
    def predict(self, checkpoint: Path, data: Sequence[Path], out: Path, seed: int) -> dict[str, float]:
        """Predict held-out items from a checkpoint into `out`, in the data's own layout.

        Returns:
            Metrics by name; `skill` (1 - error / error of predicting the training mean) is always among them.
        """

    def infer(self, checkpoint: Path, given: str, out: Path, seed: int) -> list[Path]:
        """What the trained model makes of one new input, as files in `out`: `gonogo infer`.

        Args:
            given: as it was typed: a file, or a text.

        Returns:
            The files that were written.

        Raises:
            UserError: the experiment defines none.
        """
        raise UserError(
            f"{self.name} predicts for held-out items only: give its class a method "
            "`infer(checkpoint, given, out, seed)` (docs/experiments.md)"
        )

    # --- what the workflow asks about it ---

    def assets_needed(self) -> list[tuple[str, bool, str]]:
        """Pretrained files that the settings name: (name, whether it is there and runs, detail)."""
        return []

    def pretrained(self) -> dict[str, Asset]:
        """Dotted key below `settings` → pretrained file whose path it is, of those that training reads.

        They are sent to the machine, or fetched by it; found in the settings where they are an `Asset`.
        """
        return assets_in(self.settings)

    def more_packages(self) -> list[str]:
        """What training needs beyond the packages that ship, as pip writes it: the machine installs it, too."""
        return []

    def lacking(self) -> list[str]:
        """What must be there before a first stage can run and is not, each with what to do; empty: nothing."""
        named = {"inputs": self.inputs_folder(), "data": self.data_folder()}
        missing = [f"{key}: {path} is not there" for key, path in named.items() if path and not path.is_dir()]
        return missing + [detail for _, there, detail in self.assets_needed() if not there]

    def planned_steps(self, training: Training) -> int | None:
        """Optimizer steps of a run as configured; None where only the data says how many."""
        return None

    def plan_options(self) -> list[PlanOption]:
        """What can be changed about a training step so that it needs less memory, with what each change costs.

        Smaller micro-batches with more accumulation, and half precision, are always tried and not named here.
        """
        return []

    def inputs_folder(self) -> Path | None:
        """Where the inputs lie, from the repository's root; None without any, and where dummy data replaces them."""
        if self.config.inputs is None or self.config.dummy_data:
            return None
        return self.root / self.config.inputs.expanduser()

    def data_folder(self) -> Path | None:
        """Where the data lies, if it exists and is not generated; relative paths count from the repository's root."""
        return self.data_at or self.named_data()

    def named_data(self) -> Path | None:
        """Where the config says that it lies."""
        return None if self.config.data is None else self.root / self.config.data.expanduser()

    def inputs_listing(self) -> str:
        """Digest of the names, sizes and times of the input files, so that a changed input is noticed at once."""
        folder = self.inputs_folder()
        return "" if folder is None else listing_digest(folder)

    def data_listing(self) -> str:
        """The same of data that exists; empty where it is generated."""
        folder = self.data_folder()
        return "" if folder is None else listing_digest(folder)

    # --- what each stage's result depends on ---

    def settings_for(self, stage: Stage) -> Any:
        """The settings that a stage's result depends on; a change to them, and to no other, repeats the stage."""
        return self.settings.model_dump(mode="json")

    def fingerprint(self, stage: Stage) -> str:
        """Digest of the code and settings that a stage's result depends on.

        Methods of the class that a stage does not call (`predict`, `show`) are not part of it.
        """
        code = source_digest(self.source_files_of(stage), self.import_root(), self._unused(stage))
        return digest(self.settings_for(stage), code)

    def source_files(self) -> list[Path]:
        """All source files: what goes to the machine."""
        files = sorted(file for file in self._file().parent.glob("*.py") if not file.name.startswith("."))
        return sendable(files, self.import_root())

    def source_files_of(self, stage: Stage) -> list[Path]:
        """Source files that a stage's result depends on.

        `generate`: those that `generate_code` names. `train`: all but those that `predict_code` names, unless another
        one imports them. `predict`: all.
        """
        files = self.source_files()
        if stage == "generate":
            return [file for file in files if file.name in self.generate_code]
        if stage == "predict":
            return files
        return without_unused(files, [file for file in files if file.name in self.predict_code], self._unused(stage))

    def scripts(self, *, of_inference: bool) -> list[Path]:
        """The files that training, or predicting, cannot do without, whether they are there or not."""
        return [self._file(), *imports_of(self._file(), self.import_root(), of_inference=of_inference)]

    def import_root(self) -> Path:
        """The folder that the experiment's package is imported from."""
        return self._file().parents[type(self).__module__.count(".")]

    def _file(self) -> Path:
        return Path(inspect.getfile(type(self)))

    def _unused(self, stage: Stage) -> Methods:
        name = type(self).__name__
        return {} if stage == "predict" else {self._file(): tuple(f"{name}.{method}" for method in INFERENCE)}

    # --- can it run here? ---

    def check_kind(self) -> None:
        """Raise UserError where no inspector reads this kind of data, or its library is not installed."""
        try:
            check_kind(self.kind)
        except UserError as error:
            raise UserError(f"{self.name}: {error}") from None

    def check_inputs(self) -> None:
        """Raise UserError where the YAML names `inputs` that nothing in the experiment's code reads."""
        if self.config.inputs is None or self._reads_inputs():
            return
        raise UserError(
            f"config/experiments/{self.name}.yaml: inputs: nothing in {self._file().parent} reads it "
            "(self.inputs_folder()); remove the key, or, where the folder is the data itself, write `data:`"
        )

    def _reads_inputs(self) -> bool:
        ours = ("gonogo", "builtins", "abc")
        bases = [base for base in type(self).__mro__ if base.__module__.partition(".")[0] not in ours]
        files = {*map(Path, map(inspect.getfile, bases)), *self.source_files()}
        return any(READS_INPUTS.search(file.read_text(errors="replace")) for file in files)

    def flags_of_commands(self) -> list[str] | None:
        """What is wrong with the flags of its training command; None: there is none, or its script does not tell."""
        return None

    def check_commands(self) -> None:
        """Raise UserError where the training command has a flag that its script does not take."""
        if wrong := self.flags_of_commands():
            where = f"config/experiments/{self.name}.yaml: command.train"
            raise UserError(f"{where}: {'; '.join(wrong)}. Correct the flag, or add it to the script")

    def check_packages(self) -> None:
        """Raise UserError for a library that this experiment needs and that is not installed."""
        for package, extra in {**self.framework, **self.packages}.items():
            if importlib.util.find_spec(package) is None:
                raise UserError(
                    f"{self.name} needs the package {package!r}, which is not installed: {install_line(extra)}"
                )
