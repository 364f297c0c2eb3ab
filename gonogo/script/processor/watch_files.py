"""Checkpoints: their names, whether one was written within the pass, and whether it can be loaded again."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gonogo.base.replaced import Replaced
from gonogo.script.processor.facts import MORE_THAN_TENSORS, Reached
from gonogo.script.processor.session import Session

NAMES = 100  # of saved files


@dataclass
class FileWatch:
    session: Session
    reached: Reached

    def place(self, replaced: Replaced) -> None:
        replaced.put(torch, "save", self._saving(torch.save, 1, self._load_again))
        for owner, name in ((os, "replace"), (os, "rename"), (shutil, "copyfile")):
            replaced.put(owner, name, self._renaming(getattr(owner, name), keep=owner is shutil))
        try:
            from safetensors import torch as safetensors
        except ImportError:
            return
        replaced.put(safetensors, "save_file", self._saving(safetensors.save_file, 1, self._load_safetensors))

    def _saving(self, plain: Any, place: int, load: Any) -> Any:
        def save(*arguments: Any, **keywords: Any) -> Any:
            found = plain(*arguments, **keywords)
            file = arguments[place] if len(arguments) > place else keywords.get("f", keywords.get("filename"))
            self.session.guard("checkpoints", self.written, file, load)
            return found

        return save

    def _renaming(self, plain: Callable[..., Any], keep: bool) -> Callable[..., Any]:
        """A file that is written under another name first, or copied when it is the best so far."""

        def rename(source: Any, target: Any, *arguments: Any, **keywords: Any) -> Any:
            found = plain(source, target, *arguments, **keywords)
            self.session.guard("checkpoints", self._renamed, source, target, keep)
            return found

        return rename

    def _renamed(self, source: Any, target: Any, keep: bool) -> None:
        saved, before = self.reached.saved, _path(source)
        if before in saved:
            if not keep:
                saved.remove(before)
            self._named(target)

    def _named(self, file: Any) -> None:
        path, saved = _path(file), self.reached.saved
        if path and path not in saved and len(saved) < NAMES and not self.session.in_probe:
            saved.append(path)

    def written(self, file: Any, load: Any) -> None:
        if self.session.steps:
            self._named(file)
        if self.reached.checkpoint is not None and self.reached.reload == "loaded":
            return
        if self.session.steps == 0:
            return
        self.reached.checkpoint = self.session.steps
        self.reached.checkpoint_where = self.session.where()
        if isinstance(file, (str, os.PathLike)):
            load(os.fspath(file))

    def _load_again(self, path: str) -> None:
        was, self.session.in_probe = self.session.in_probe, True
        try:
            torch.load(path, map_location="cpu", weights_only=True)
            self.reached.reload = "loaded"
        except pickle.UnpicklingError:
            self.reached.reload = MORE_THAN_TENSORS
        except Exception as problem:
            self.reached.reload = str(problem).splitlines()[0][:200]
        finally:
            self.session.in_probe = was

    def _load_safetensors(self, path: str) -> None:
        from safetensors.torch import load_file

        load_file(path)
        self.reached.reload = "loaded"


def _path(file: Any) -> str:
    """Absolute; of an open file, where it lies; empty where it lies nowhere."""
    path = file if isinstance(file, (str, os.PathLike)) else getattr(file, "name", "")
    return os.path.normpath(Path(path).absolute()) if path and isinstance(path, (str, os.PathLike)) else ""
