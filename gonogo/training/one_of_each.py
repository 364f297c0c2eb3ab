"""What a canary does beside its steps, once each, while the optimizer's state is still on the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback

from gonogo.training.device import peak_memory_bytes
from gonogo.training.ranks import predict_on_first
from gonogo.training.spec import PHASE

if TYPE_CHECKING:
    from gonogo.experiment.lightning import LightningExperiment

STEPS, VALIDATION, CHECKPOINT, PREDICTION = "steps", "validation", "checkpoint", "prediction"


class OneOfEach(Callback):
    """One validation, as the Trainer runs it, one checkpoint saved and read back, one prediction and its picture."""

    def __init__(self, experiment: LightningExperiment, out: Path, say: Callable[[str], None]) -> None:
        self._experiment, self._out, self._say = experiment, out, say
        self.peaks_bytes: dict[str, int] = {}  # phase → the highest use of memory up to its end

    def on_validation_start(self, trainer: Any, module: Any) -> None:
        self.peaks_bytes.setdefault(STEPS, peak_memory_bytes())
        self._say(PHASE + VALIDATION)

    def on_validation_end(self, trainer: Any, module: Any) -> None:
        self.peaks_bytes[VALIDATION] = peak_memory_bytes()

    def on_train_end(self, trainer: Any, module: Any) -> None:
        self.peaks_bytes.setdefault(STEPS, peak_memory_bytes())
        path = self._out / "checkpoints" / "last.ckpt"
        self._say(PHASE + CHECKPOINT)
        trainer.save_checkpoint(path)
        saved = torch.load(path, map_location="cpu", weights_only=True)
        module.on_load_checkpoint(saved)  # and strict or not, as a run that resumes from it reads it
        trainer.strategy.load_model_state_dict(saved, strict=module.strict_loading)
        del saved
        self.peaks_bytes[CHECKPOINT] = peak_memory_bytes()
        self._say(PHASE + PREDICTION)
        self._predict(trainer, module)
        self.peaks_bytes[PREDICTION] = peak_memory_bytes()

    def _predict(self, trainer: Any, module: Any) -> None:
        batch = trainer.strategy.batch_to_device(next(iter(trainer.datamodule.val_dataloader())))
        module.eval()
        outputs = predict_on_first(trainer, module, batch)
        if outputs is not None:
            with torch.no_grad():
                self._experiment.show(batch, outputs, self._out / "samples/canary/predictions.png")
        module.train()
