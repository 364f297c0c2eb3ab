"""Training steps of models that libraries build, which all call for other inputs and return other outputs."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gonogo.base.errors import UserError
from gonogo.experiment.step import Step
from gonogo.memory.torch_private import tree_leaves

ONE_LABEL = ("ForSequenceClassification", "ForImageClassification", "ForAudioClassification", "ForNextSentence")
LEARNING_RATE = 1e-3
WRITTEN_TOKENS = 128  # that a recording is written down in


def optimizer_maker(text: str) -> Callable[[list[Any]], torch.optim.Optimizer]:
    """What makes the optimizer of a list of parameters: `AdamW`, `SGD(momentum=0.9)` or `package.module:Name`.

    Raises:
        UserError: there is none of that name, or its arguments are no values.
    """
    name, bracket, rest = text.partition("(")
    module, _, attribute = name.strip().rpartition(":")
    try:
        found = getattr(importlib.import_module(module or "torch.optim"), attribute)
        call: Any = ast.parse(f"made({rest}" if bracket else "made()", mode="eval").body
        arguments = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (ModuleNotFoundError, AttributeError):
        raise UserError(f"optimizer {text!r} is not in torch.optim; others as package.module:Name") from None
    except (SyntaxError, ValueError):
        raise UserError(f"optimizer {text!r}: write its arguments as in SGD(momentum=0.9)") from None
    return functools.partial(found, **{"lr": LEARNING_RATE, **arguments})


def library_model_step(
    model: nn.Module, batch_size: int, shape: tuple[int, ...], classes: int, optimizer: str, **changes: Any
) -> Step:
    """The step of images (C, H, W), or of a text (length,), for any model of torchvision, timm and transformers."""
    takes = getattr(model, "main_input_name", None)
    if takes is None and len(shape) == 1:
        takes = "input_ids"
    if takes == "input_ids":
        return language_model_step(model, batch_size, shape[0], optimizer, **changes)
    if takes in (None, "pixel_values"):
        return classifier_step(model, batch_size, shape, classes, optimizer, **changes)
    inputs = {takes: torch.zeros(batch_size, *shape)}
    words = torch.ones(batch_size, WRITTEN_TOKENS, dtype=torch.long)
    return _step(model, inputs | _labels(model, words), optimizer, changes)


def classifier_step(
    model: nn.Module, batch_size: int, shape: tuple[int, ...], classes: int, optimizer: str, **changes: Any
) -> Step:
    """Images (B, *shape) in, cross-entropy of labels; the outputs' name outlives the step, as in a plain loop."""
    kept: list[Any] = []

    def run(batch: tuple[Tensor, Tensor]) -> Tensor:
        outputs = model(batch[0])
        loss = _image_loss(outputs, batch[1])
        kept[:] = [outputs, loss]
        return loss

    return Step(
        model=model,
        optimizer=functools.partial(optimizer_maker(optimizer), list(model.parameters())),
        run=run,
        batch=(torch.zeros(batch_size, *shape), torch.zeros(batch_size, dtype=torch.long) % classes),
        micro_batch_size=batch_size,
        **changes,
    )


def _image_loss(outputs: Any, labels: Tensor) -> Tensor:
    """Cross-entropy of logits (B, classes), summed over auxiliary heads; of features of another shape their mean.

    Of a mapping of maps (B, classes, H, W), as models for segmentation return one, that of all pixels.
    """
    outputs = getattr(outputs, "logits", outputs) if hasattr(outputs, "keys") else outputs
    leaves = [leaf for leaf in tree_leaves(outputs) if isinstance(leaf, Tensor)]
    losses = [F.cross_entropy(leaf, labels) for leaf in leaves if leaf.dim() == 2]
    if not losses and type(outputs) in (dict, OrderedDict):
        maps = [leaf for leaf in leaves if leaf.dim() == 4]
        losses = [F.cross_entropy(leaf, labels.new_zeros(len(leaf), *leaf.shape[2:])) for leaf in maps]
    if not losses:
        return leaves[0].float().mean()
    return losses[0] if len(losses) == 1 else torch.stack(losses).sum()


def language_model_step(model: nn.Module, batch_size: int, length: int, optimizer: str, **changes: Any) -> Step:
    """Token ids (B, length) in; the loss is the model's own, of the labels that its head wants, or the features' mean.

    The last token of every row but the first is padding, as in a batch of texts of different lengths.
    """
    tokens = torch.ones(batch_size, length, dtype=torch.long)
    mask = torch.ones(batch_size, length, dtype=torch.long)
    if length > 1:
        mask[1:, -1] = 0
    inputs = {"input_ids": tokens, "attention_mask": mask}
    return _step(model, inputs | _labels(model, tokens), optimizer, changes)


def _labels(model: nn.Module, tokens: Tensor) -> dict[str, Tensor]:
    """What the model's head is trained with; of an encoder and decoder without a head what the decoder begins with."""
    wanted = inspect.signature(model.forward).parameters
    kind, config = type(model).__name__, getattr(model, "config", None)
    zeros = torch.zeros(len(tokens), dtype=torch.long)
    if getattr(config, "is_encoder_decoder", False):
        for name in ("decoder_start_token_id", "pad_token_id"):
            setattr(config, name, getattr(config, name, None) or 0)
    if "start_positions" in wanted:
        return {"start_positions": zeros, "end_positions": zeros}
    if "labels" in wanted and any(name in kind for name in ONE_LABEL):
        if getattr(config, "pad_token_id", 0) is None:
            config.pad_token_id = 0  # type: ignore[union-attr]
        return {"labels": zeros}
    if "labels" in wanted:
        return {"labels": tokens}
    return {"decoder_input_ids": tokens} if getattr(config, "is_encoder_decoder", False) else {}


def _step(model: nn.Module, inputs: dict[str, Tensor], optimizer: str, changes: dict[str, Any]) -> Step:
    kept: list[Any] = []

    def run(batch: dict[str, Tensor]) -> Tensor:
        outputs = model(**batch)
        kept[:] = [outputs, batch]
        found: Tensor | None = getattr(outputs, "loss", None)
        return next(iter(outputs.values())).float().mean() if found is None else found

    return Step(
        model=model,
        optimizer=functools.partial(optimizer_maker(optimizer), [p for p in model.parameters() if p.requires_grad]),
        run=run,
        batch=inputs,
        micro_batch_size=len(next(iter(inputs.values()))),
        **changes,
    )
