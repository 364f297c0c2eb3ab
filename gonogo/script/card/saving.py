"""`torch.save` and `torch.load` of what has no data: a small file stands for it, and loading that gives it back."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from gonogo.memory.constant_values import known
from gonogo.memory.torch_private import DisableTorchDispatch, FakeTensor, tree_leaves, tree_map_only
from gonogo.script.card.answers import Replacement
from gonogo.script.card.course import CHECKPOINT, RESUME, Course

STANDS_FOR = b"a checkpoint without data: it was saved on a card that is not there\n"


class Kept:
    """A tensor's shape and place, and its values where they are known."""

    def __init__(self, tensor: Tensor) -> None:
        self.shape, self.dtype, self.requires_grad = tuple(tensor.shape), tensor.dtype, tensor.requires_grad
        self.device = tensor.fake_device if isinstance(tensor, FakeTensor) else tensor.device
        self.is_parameter = isinstance(tensor, Parameter)
        value = known(tensor) if isinstance(tensor, FakeTensor) else tensor
        with DisableTorchDispatch():
            self.value = None if value is None else value.detach().clone()

    def tensor(self, device: torch.device) -> Tensor:
        """One like it: on the card, or without data on the processor."""
        if self.value is not None:
            made = self.value.clone().to(device)
        else:
            made = torch.empty(self.shape, dtype=self.dtype, device="cuda")
            if device.type != "cuda":
                made = _without_data(made)
        if self.is_parameter:
            return Parameter(made, self.requires_grad)
        return made.requires_grad_(self.requires_grad) if self.requires_grad else made


def _without_data(tensor: Tensor) -> Tensor:
    """A tensor on the processor that no memory stands behind."""
    mode: Any = tensor.fake_mode  # type: ignore[attr-defined]
    with DisableTorchDispatch():
        meta = torch.empty(tuple(tensor.shape), dtype=tensor.dtype, device="meta")
    return FakeTensor(mode, meta, torch.device("cpu"))


class Files:
    """What was saved in this process."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.saved: dict[str, Any] = {}
        self._followed = False

    def replacements(self) -> list[Replacement]:
        """(owner, attribute, replacement)."""
        found: list[Replacement] = [(torch, "save", self._save(torch.save)), (torch, "load", self._load(torch.load))]
        if importlib.util.find_spec("safetensors") is not None:
            safetensors: Any = importlib.import_module("safetensors.torch")
            found += [
                (safetensors, "save_file", self._save(safetensors.save_file)),
                (safetensors, "load_file", self._load_safely(safetensors.load_file)),
            ]
        return found

    def follow_transformers(self) -> None:
        """Replace how its models are saved, once it is loaded; called often."""
        library = sys.modules.get("transformers.modeling_utils")
        if library is None or self._followed:
            return
        self._followed = True
        models = library.PreTrainedModel
        plain = models.save_pretrained

        def save_pretrained(model: Any, save_directory: Any, *args: Any, **kwargs: Any) -> Any:
            if not any(isinstance(parameter, FakeTensor) for parameter in model.parameters()):
                return plain(model, save_directory, *args, **kwargs)
            Path(save_directory).mkdir(parents=True, exist_ok=True)
            model.config.save_pretrained(save_directory)
            self.keep(Path(save_directory) / "model.safetensors", model.state_dict())
            self.course.at(CHECKPOINT)
            return None

        models.save_pretrained = save_pretrained

    def _load_safely(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """safetensors' own: a device in the place of torch.load's map."""

        def load_file(filename: Any, device: Any = "cpu", *args: Any, **kwargs: Any) -> Any:
            self.course.enter_stage(RESUME)
            where = torch.device(f"cuda:{device}" if isinstance(device, int) else device)
            if _name(filename) in self.saved:
                return self.kept(filename, where)
            found = plain(filename, "cpu", *args, **kwargs)
            return found if where.type != "cuda" else {name: tensor.to(where) for name, tensor in found.items()}

        return load_file

    def _save(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def save(obj: Any, f: Any, *args: Any, **kwargs: Any) -> None:
            fakes = [leaf for leaf in _tensors(obj) if isinstance(leaf, FakeTensor)]
            if not fakes:
                plain(obj, f, *args, **kwargs)
                return
            self.keep(f, obj)
            self.course.at(CHECKPOINT)

        return save

    def keep(self, f: Any, obj: Any) -> None:
        """Write the file that stands for `obj`."""
        if isinstance(f, (str, os.PathLike)):
            with contextlib.suppress(TypeError, RuntimeError):
                self.saved[_name(f)] = tree_map_only(Tensor, Kept, obj)
            Path(f).write_bytes(STANDS_FOR)
        else:
            f.write(STANDS_FOR)

    def kept(self, f: Any, map_location: Any) -> Any:
        """What `keep` was given, its tensors as new ones."""

        def back(kept: Kept) -> Tensor:
            return kept.tensor(_mapped(kept.device, map_location))

        return tree_map_only(Kept, back, self.saved[_name(f)])

    def _load(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def load(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
            self.course.enter_stage(RESUME)
            if isinstance(f, (str, os.PathLike)) and _name(f) in self.saved:
                return self.kept(f, map_location)
            found: dict[int, Any] = {}

            def on_processor(storage: Any, location: str) -> Any:
                found[storage.untyped()._cdata if hasattr(storage, "untyped") else storage._cdata] = location
                return storage

            loaded = plain(f, on_processor, *args, **kwargs)

            def placed(tensor: Tensor) -> Tensor:
                location = found.get(tensor.untyped_storage()._cdata, "cpu")
                device = _mapped(torch.device(location), map_location)
                if device.type != "cuda":
                    return tensor
                moved = tensor.detach().to(device)
                return Parameter(moved, tensor.requires_grad) if isinstance(tensor, Parameter) else moved

            return tree_map_only(Tensor, placed, loaded)

        return load


def _tensors(obj: Any) -> list[Any]:
    """Tensors in an object: a tree of containers, modules in it by their state."""
    leaves = tree_leaves(obj)
    return [*leaves, *(t for leaf in leaves if isinstance(leaf, torch.nn.Module) for t in leaf.state_dict().values())]


def _name(f: Any) -> str:
    return os.path.realpath(os.fspath(f))


def _mapped(device: torch.device, map_location: Any) -> torch.device:
    """Where torch.load would put a tensor that was saved on `device`."""
    if map_location is None:
        return device
    if isinstance(map_location, (str, torch.device)):
        return torch.device(map_location)
    if isinstance(map_location, dict):
        return torch.device(map_location.get(str(device), str(device)))
    try:
        with DisableTorchDispatch():
            placed = map_location(torch.UntypedStorage(0), str(device))
        return torch.device("cpu") if placed is None else placed.device
    except Exception:  # it moves the storage to a card that is not there
        return torch.device("cuda", 0)
