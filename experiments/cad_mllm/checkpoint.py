"""The facts in a checkpoint, and how a stage starts from the previous stage's checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from experiments.cad_mllm.settings import CADSettings
from gonogo import UserError

if TYPE_CHECKING:
    from experiments.cad_mllm.model import CADModel

PREFIX = "model."  # of the model within the LightningModule


def facts(settings: CADSettings, model: CADModel, stages_before: list[str]) -> dict[str, Any]:
    """What a checkpoint of adapters and projectors must record, so that it is used with the right base."""
    return {
        "stages": [*stages_before, "+".join(settings.data.modalities)],
        "base": model.base_digest,
        "settings": settings.model_dump(mode="json"),
    }


def begin_from(model: CADModel, path: Path) -> list[str]:
    """Load adapters and projectors from the previous stage's checkpoint; new projectors keep their initial weights.

    Returns:
        The stages that the checkpoint went through.

    Raises:
        UserError: the checkpoint is missing or belongs to another model; a stage never starts without it.
    """
    state, said = read(path)
    check_base(said, model, str(path))
    from experiments.cad_mllm.model import modalities_of, trainable

    own = trainable(model)
    taken = {key.removeprefix(PREFIX): value for key, value in state.items()}
    unknown = sorted(set(taken) - set(own))
    lacking = sorted(key for key in set(own) - set(taken) if "projectors." not in key)
    if unknown or lacking:
        which = (unknown or lacking)[0]
        what = "has more parts than this stage" if unknown else "lacks an adapter of this stage"
        raise UserError(f"{path}: {what}: {which}. A stage starts from one with the same adapters and fewer modalities")
    for key, value in taken.items():
        if own[key].shape != value.shape:
            raise UserError(f"{path}: {key} is {tuple(value.shape)}, here {tuple(own[key].shape)}: different settings")
        with torch.no_grad():
            own[key].copy_(value)
    fresh = sorted(set(modalities_of(list(own))) - set(modalities_of(list(taken))))
    print(f"started from {path}: {len(taken)} tensors; new: {', '.join(fresh) or 'nothing'}", flush=True)
    return list(said["stages"])


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights and facts of a checkpoint.

    Raises:
        UserError: it is missing, or not a checkpoint of this experiment.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint. Train the previous stage first, or name its checkpoint.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return found["state_dict"], found["cad"]
    except Exception as error:  # torch may raise any exception on damaged bytes
        problem = str(error).splitlines()[0]
        raise UserError(f"{path}: not a readable checkpoint of a CAD model ({problem})") from None


def check_base(said: dict[str, Any] | None, model: CADModel, where: str) -> None:
    """Raise UserError if the adapters were trained on a base other than this model's."""
    if said is None or not model.base_digest or said["base"] != model.base_digest:
        raise UserError(
            f"{where}: its adapters belong to base {str((said or {}).get('base'))[:12]!r}, this model's base is "
            f"{model.base_digest[:12]!r}. Train it again, or restore the base it was trained on."
        )
