"""What a checkpoint says of itself, and how a stage begins from that of the stage before."""

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
    """What a checkpoint of adapters and projectors must say, to be used with the right base."""
    return {
        "stages": [*stages_before, "+".join(settings.data.modalities)],
        "base": model.base_digest,
        "settings": settings.model_dump(mode="json"),
    }


def begin_from(model: CADModel, path: Path) -> list[str]:
    """Take adapters and projectors over from the checkpoint of the stage before; new projectors stay fresh.

    Returns:
        The stages that the checkpoint went through.

    Raises:
        UserError: there is no such checkpoint, or it is of another model; a stage never begins without.
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
        what = "has more than this stage" if unknown else "lacks an adapter of this stage"
        raise UserError(f"{path}: {what}: {which}. A stage begins from one with the same adapters and fewer modalities")
    for key, value in taken.items():
        if own[key].shape != value.shape:
            raise UserError(f"{path}: {key} is {tuple(value.shape)}, here {tuple(own[key].shape)}: other settings")
        with torch.no_grad():
            own[key].copy_(value)
    fresh = sorted(set(modalities_of(list(own))) - set(modalities_of(list(taken))))
    print(f"begun from {path}: {len(taken)} tensors; fresh: {', '.join(fresh) or 'nothing'}", flush=True)
    return list(said["stages"])


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Weights and facts of a checkpoint.

    Raises:
        UserError: it is not there, or no checkpoint of this experiment.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint. Train the stage before first, or name its checkpoint.")
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return found["state_dict"], found["cad"]
    except Exception as error:  # torch raises anything on damaged bytes
        problem = str(error).splitlines()[0]
        raise UserError(f"{path}: no checkpoint of a CAD model can be read from it ({problem})") from None


def check_base(said: dict[str, Any] | None, model: CADModel, where: str) -> None:
    """Raise UserError where adapters were trained on another base than this model's."""
    if said is None or not model.base_digest or said["base"] != model.base_digest:
        raise UserError(
            f"{where}: its adapters belong to base {str((said or {}).get('base'))[:12]!r}, this model's base is "
            f"{model.base_digest[:12]!r}. Train it again, or restore the base that it was trained on."
        )
