"""Steps of models that libraries build: `torchvision:resnet50`, `timm:convnext_base`, `transformers:CONFIG`."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gonogo.errors import UserError
from gonogo.memory.child import Model
from gonogo.memory.step import Step, entry_step

# operators that torchvision registers shapes for, and that its own library defines; registries lack its CPU build
TORCHVISION_OPERATORS = ("nms", "qnms")


def build_model(name: str, **arguments: Any) -> nn.Module:
    """A model with random weights, nothing downloaded.

    Args:
        name: `torchvision:NAME`, `timm:NAME`, `transformers:CONFIG.json` (or a folder with config.json), or any
            callable as `package.module:name`.

    Raises:
        UserError: there is no such library, model or file.
    """
    library, _, model = name.partition(":")
    if not model:
        raise UserError(f"model {name!r}: write LIBRARY:NAME, as in timm:convnext_base")
    allow_torchvision()
    try:
        if library == "timm":
            return importlib.import_module("timm").create_model(model, pretrained=False, **arguments)
        if library == "torchvision":
            return getattr(importlib.import_module("torchvision.models"), model)(**arguments)
        if library == "transformers":
            return _from_config(Path(model), **arguments)
        return getattr(importlib.import_module(library), model)(**arguments)
    except ModuleNotFoundError as error:
        raise UserError(f"model {name!r}: no module {error.name!r} is installed") from None
    except AttributeError:
        raise UserError(f"model {name!r}: {library} has no {model!r}") from None


def allow_torchvision() -> None:
    """Let torchvision be imported where its compiled operators cannot be loaded; no model needs them.

    transformers and timm import it too.
    """
    if importlib.util.find_spec("torchvision") is None or "torchvision" in sys.modules:
        return
    for operator in TORCHVISION_OPERATORS:
        if not hasattr(torch.ops.torchvision, operator):
            torch.library.define(f"torchvision::{operator}", "(Tensor boxes, Tensor scores, float limit) -> Tensor")


def _from_config(path: Path, kind: str = "AutoModelForCausalLM", **changes: Any) -> nn.Module:
    transformers = importlib.import_module("transformers")
    file = path / "config.json" if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{file}: no such file; give a transformers configuration, which is read from disk")
    values = {**json.loads(file.read_text()), **changes}
    config = transformers.AutoConfig.for_model(values.pop("model_type"), **values)
    return getattr(transformers, kind).from_config(config)


def optimizer_class(name: str) -> Any:
    """`AdamW` of torch.optim, or `package.module:name`.

    Raises:
        UserError: there is none of that name.
    """
    module, _, attribute = name.rpartition(":")
    try:
        return getattr(importlib.import_module(module or "torch.optim"), attribute)
    except (ModuleNotFoundError, AttributeError):
        raise UserError(f"optimizer {name!r} is not in torch.optim; others as package.module:Name") from None


def classifier_step(
    model: nn.Module, batch_size: int, shape: tuple[int, ...], classes: int, optimizer: str, **changes: Any
) -> Step:
    """Images (B, *shape) in, cross-entropy of labels; the outputs' name outlives the step, as in a plain loop."""
    kept: list[Any] = []

    def run(batch: tuple[Tensor, Tensor]) -> Tensor:
        outputs = model(batch[0])
        loss = F.cross_entropy(outputs, batch[1])
        kept[:] = [outputs, loss]
        return loss

    return Step(
        model=model,
        optimizer=functools.partial(optimizer_class(optimizer), list(model.parameters()), lr=1e-3),
        run=run,
        batch=(torch.zeros(batch_size, *shape), torch.zeros(batch_size, dtype=torch.long) % classes),
        micro_batch_size=batch_size,
        **changes,
    )


def language_model_step(model: nn.Module, batch_size: int, length: int, optimizer: str, **changes: Any) -> Step:
    """Token ids (B, length) in, the model's own loss of them as labels; the outputs' name outlives the step.

    The last token of every row but the first is padding, as in a batch of texts of different lengths.
    """
    kept: list[Any] = []
    tokens = torch.ones(batch_size, length, dtype=torch.long)
    mask = torch.ones(batch_size, length, dtype=torch.long)
    if length > 1:
        mask[1:, -1] = 0

    def run(batch: dict[str, Tensor]) -> Tensor:
        outputs = model(**batch)
        kept[:] = [outputs, batch]
        return outputs.loss

    return Step(
        model=model,
        optimizer=functools.partial(
            optimizer_class(optimizer), [p for p in model.parameters() if p.requires_grad], lr=1e-3
        ),
        run=run,
        batch={"input_ids": tokens, "attention_mask": mask, "labels": tokens},
        micro_batch_size=batch_size,
        **changes,
    )


def library_step(order: Model, batch_size: int, changes: dict[str, Any]) -> Step:
    """The step of a library's model: of images if a sample has more than one dimension, else of texts."""
    model = build_model(order.name, **order.arguments)
    if order.gradient_checkpointing:
        enable: Any = getattr(model, "gradient_checkpointing_enable", None) or getattr(
            model, "set_grad_checkpointing", None
        )
        if enable is None:
            raise UserError(f"model {order.name!r} does not offer gradient checkpointing")
        enable()
    if len(order.shape) == 1:
        return language_model_step(model, batch_size, order.shape[0], order.optimizer, **changes)
    return classifier_step(model, batch_size, order.shape, order.classes, order.optimizer, **changes)


def from_entry(name: str, *arguments: Any) -> Step:
    """The step that the function `package.module:function` returns, called with these arguments.

    Raises:
        UserError: it cannot be imported, or returns something else.
    """
    module, _, function = name.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise UserError(f"entry {name!r}: no module {error.name!r}") from None
    except (AttributeError, ValueError):
        raise UserError(f"entry {name!r}: {module!r} has no {function!r}; write package.module:function") from None
    return entry_step(found(*arguments))
