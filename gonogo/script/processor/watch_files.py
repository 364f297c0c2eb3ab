"""Checkpoints: whether one was written within the pass, and whether it can be loaded again."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from typing import Any

import torch

from gonogo.script.processor.facts import MORE_THAN_TENSORS, Reached
from gonogo.script.processor.session import Replacements, Session


@dataclass
class FileWatch:
    session: Session
    reached: Reached

    def place(self, replaced: Replacements) -> None:
        replaced.put(torch, "save", self._saving(torch.save, 1, self._load_again))
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

    def written(self, file: Any, load: Any) -> None:
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
