"""What is what in a batch: the part that the model reads, and the part that it should answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from gonogo.base.errors import UserError

INPUTS = (
    "input_ids", "pixel_values", "input_values", "input_features", "inputs_embeds", "inputs", "input", "x", "image",
    "images", "img", "features", "data",
)  # fmt: skip
TARGETS = ("labels", "label", "targets", "target", "y", "mask", "masks", "segmentation", "values", "value")
OUTPUTS = ("logits", "out", "outputs", "output", "prediction", "predictions", "preds", "pred", "last_hidden_state")
SAY = "say which part is what: inputs=lambda batch: …, targets=lambda batch: …"


def inputs_of(batch: Any) -> Tensor:
    """By name in a dict, the first of a pair, or the batch itself.

    Raises:
        UserError: it cannot be told.
    """
    return _part(batch, INPUTS, 0, "the model's input")


def targets_of(batch: Any) -> Tensor:
    """By name in a dict, the second of a pair; of a batch of token ids alone, the ids: the next token is asked for.

    Raises:
        UserError: it cannot be told.
    """
    if isinstance(batch, Mapping) and "input_ids" in batch and not any(name in batch for name in TARGETS):
        return batch["input_ids"]
    return _part(batch, TARGETS, 1, "the target")


def _part(batch: Any, names: tuple[str, ...], place: int, what: str) -> Tensor:
    if isinstance(batch, Mapping):
        found = next((batch[name] for name in names if name in batch), None)
    elif isinstance(batch, (list, tuple)):
        found = batch[place] if len(batch) == 2 else batch[0] if len(batch) == 1 and not place else None
        if isinstance(found, (Mapping, list, tuple)):
            found = _part(found, names, 0, what)
    else:
        found = batch if not place else None
    if not isinstance(found, Tensor):
        raise UserError(f"a batch is {described(batch)}: {what} cannot be told from that; {SAY}")
    return found


def outputs_of(found: Any) -> Tensor:
    """The model's answer among all that it returned.

    Raises:
        UserError: it cannot be told.
    """
    if isinstance(found, Mapping):
        named = next((found[name] for name in OUTPUTS if isinstance(found.get(name), Tensor)), None)
        found = named if named is not None else next((v for v in found.values() if _is_answer(v)), found)
    elif isinstance(found, (list, tuple)):
        found = next((value for value in found if _is_answer(value)), found)
    if not isinstance(found, Tensor):
        raise UserError(
            f"the model returns {described(found)}: its answer cannot be told from that; say "
            "predict=lambda model, batch: …"
        )
    return found


def loss_in(found: Any) -> Tensor | None:
    """The loss that a model computed itself, as those of transformers do when they are given labels."""
    if isinstance(found, Mapping):
        return found.get("loss")
    if isinstance(found, (list, tuple)):
        return next((value for value in found if isinstance(value, Tensor) and value.ndim == 0), None)
    return None


def _is_answer(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def zeroed(batch: Any, read: Tensor, targets: Tensor) -> Any:
    """The batch with `read` zeroed: that very tensor, or the one that it is a view of, or all but the targets."""
    leaves: list[Tensor] = []
    apply_to_collection(batch, Tensor, leaves.append)
    mine = [leaf for leaf in leaves if leaf is read] or [leaf for leaf in leaves if _same_memory(leaf, read)]
    mine = mine or [leaf for leaf in leaves if not _same_memory(leaf, targets)]
    chosen = {id(leaf) for leaf in mine}
    return apply_to_collection(batch, Tensor, lambda leaf: leaf.new_zeros(leaf.shape) if id(leaf) in chosen else leaf)


def replaced(batch: Any, read: Tensor, values: Tensor) -> Any:
    """The batch with `values` in place of `read`.

    Raises:
        UserError: `read` is made of the batch's tensors and is none of them.
    """
    leaves: list[Tensor] = []
    apply_to_collection(batch, Tensor, leaves.append)
    same = [leaf for leaf in leaves if leaf.shape == read.shape and _same_memory(leaf, read)]
    if not same:
        raise UserError(f"inputs: they are made of several parts of {described(batch)}; none can be put in their place")
    return apply_to_collection(batch, Tensor, lambda leaf: values if leaf is same[0] else leaf)


def _same_memory(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def resized(batch: Any, size: int, wanted: int) -> Any:
    """The batch with its first `wanted` samples of `size`, or with samples repeated until there are as many."""

    def cut(leaf: Tensor) -> Tensor:
        if not leaf.ndim or len(leaf) != size:
            return leaf
        times = -(-wanted // size)
        return leaf.repeat(times, *[1] * (leaf.ndim - 1))[:wanted]

    return batch if size == wanted else apply_to_collection(batch, Tensor, cut)


def described(value: Any) -> str:
    """`a tuple of 3: float32 (16, 3, 8, 8), int64 (16,), int64 (16,)`."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} of " + (", ".join(f"{key}: {described(v)}" for key, v in value.items()))
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}: {', '.join(map(described, value))}"
    return f"a {type(value).__name__}"
