"""Steps of models that libraries build: `torchvision:resnet50`, `timm:convnext_base`, `transformers:CONFIG`."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gonogo.base.errors import UserError
from gonogo.experiment.step import Step
from gonogo.memory.library_steps import library_model_step
from gonogo.memory.request import ModelSource
from gonogo.memory.torch_private import VERSION, tree_leaves

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
            return _imported("timm").create_model(model, pretrained=False, **arguments)
        if library == "torchvision":
            return _torchvision(model)(**arguments)
        if library == "transformers":
            return _from_config(Path(model), **arguments)
        return getattr(importlib.import_module(library), model)(**arguments)
    except ModuleNotFoundError as error:
        raise UserError(f"model {name!r}: no module {error.name!r} is installed") from None
    except AttributeError:
        raise UserError(f"model {name!r}: {library} has no {model!r}") from None


def torchvision_for(torch_version: str) -> str:
    """The torchvision for a release of torch: `==0.28.*` for 2.13.0; from 0.29 on, of any torch from 2.14."""
    minor = int(torch_version.split(".")[1])
    return ">=0.29" if minor >= 14 else f"==0.{minor + 15}.*"


def _imported(name: str) -> Any:
    """The module.

    Raises:
        UserError: an installed torchvision does not fit torch, which shows in as many ways as there are releases.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "torchvision" and "torchvision" in (error.name or ""):
            raise _unfit(error) from None
        raise
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        raise _unfit(error) from None


def _unfit(error: Exception) -> UserError:
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    install = f"pip install --no-deps 'torchvision{torchvision_for(VERSION)}'"
    return UserError(
        f"torchvision {version('torchvision')} does not fit torch {VERSION} ({said}): {install}"
        if importlib.util.find_spec("torchvision")
        else said
    )


def _torchvision(name: str) -> Callable[..., nn.Module]:
    """The constructor; those for segmentation and video lie in modules of their own and would download a backbone."""
    models = _imported("torchvision.models")
    known = name in models.list_models()
    found: Callable[..., nn.Module] = models.get_model_builder(name) if known else getattr(models, name)
    downloads = "weights_backbone" in inspect.signature(found).parameters
    return functools.partial(found, weights_backbone=None) if downloads else found


def allow_torchvision() -> None:
    """Let torchvision be imported where its compiled operators cannot be loaded; no model needs them.

    transformers and timm import it too. Those that can be loaded are, before any is declared: a library that finds
    one of its own (`_C_stable`, torchvision 0.29) there already ends the process.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or "torchvision" in sys.modules:
        return
    for library in sorted(Path(found.origin or "").parent.glob("_C*.so")):
        with contextlib.suppress(OSError):
            torch.ops.load_library(str(library))
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


def library_step(order: ModelSource, batch_size: int, changes: dict[str, Any]) -> Step:
    """The step of a library's model: of images, of texts if a sample has one dimension, or as its class says."""
    model = build_model(order.name, **order.arguments)
    if order.gradient_checkpointing:
        enable: Any = getattr(model, "gradient_checkpointing_enable", None) or getattr(
            model, "set_grad_checkpointing", None
        )
        if enable is None:
            raise UserError(f"model {order.name!r} does not offer gradient checkpointing")
        enable()
    return library_model_step(model, batch_size, order.shape, order.classes, order.optimizer, **changes)


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


def entry_step(found: Any) -> Step:
    """What a `memory:` entry point returned: a Step, or a tuple (model, optimizer, step callable, batch).

    Raises:
        UserError: it is neither.
    """
    if isinstance(found, Step):
        return found
    if isinstance(found, tuple) and len(found) == 4:
        model, optimizer, run, batch = found
        if isinstance(model, nn.Module) and isinstance(optimizer, torch.optim.Optimizer) and callable(run):
            return Step(model=model, optimizer=optimizer, run=run, batch=batch, micro_batch_size=_samples(batch))
    raise UserError(
        f"the memory entry point returned {type(found).__name__}: return gonogo.Step "
        "or (model, optimizer, step callable, batch)"
    )


def _samples(batch: Any) -> int:
    """Length of the first tensor in a batch; 1 where there is none."""
    leaves = tree_leaves(batch)
    return next((len(leaf) for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.dim()), 1)
