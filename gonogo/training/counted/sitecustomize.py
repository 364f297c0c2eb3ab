"""Counts optimizer steps of a script that says nothing of them: loaded by each Python that a command starts.

GONOGO_STEPS names a CSV file that gets `step,train_loss,seconds`; GONOGO_MAX_STEPS, after how many steps the program
ends. Nothing of the script is changed: torch's own hooks are used, once it imports torch. Standard library only.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

FILE, MAX_STEPS = os.environ.get("GONOGO_STEPS", ""), int(os.environ.get("GONOGO_MAX_STEPS", "0"))
EVERY_STEP, THEN_EVERY_S = 100, 1.0  # to read a loss from a card stalls it
HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
FIRST_RANK = os.environ.get("RANK", "0") == "0" and os.environ.get("LOCAL_RANK", "0") == "0"


class StepCounter:
    """Steps of the optimizer that steps first, with the loss that backward was last called on.

    Of a script that makes no optimizer, and moves its weights itself, each backward pass is a step.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.has_optimizer = False
        self.counted: int | None = None
        self.loss: Any = None
        self._scaled: Any = None
        self._written_at = 0.0
        self._stream: Any = None

    def stepped(self, optimizer: Any, *_: Any) -> None:
        if self.counted is None:
            self.counted = id(optimizer)
        if id(optimizer) == self.counted:
            self._count()

    def _count(self) -> None:
        self.steps += 1
        now = time.monotonic()
        last = self.steps == MAX_STEPS
        if FIRST_RANK and (last or self.steps <= EVERY_STEP or now - self._written_at > THEN_EVERY_S):
            self._written_at = now
            self._write(now)
        if last:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)

    def _write(self, now: float) -> None:
        if self._stream is None:
            self._stream = open(FILE, "w", buffering=1)  # noqa: PTH123, SIM115
            self._stream.write("step,train_loss,seconds\n")
        try:
            loss = "" if self.loss is None else repr(float(self.loss))
        except (RuntimeError, ValueError, TypeError):
            loss = ""
        self._stream.write(f"{self.steps},{loss},{now}\n")

    def watch_losses(self, tensor: Any) -> None:
        plain = tensor.backward

        def backward(loss: Any, *args: Any, **kwargs: Any) -> None:
            if self._scaled is None and loss.numel() == 1:
                self.loss = loss.detach()
            self._scaled = None
            plain(loss, *args, **kwargs)
            if not self.has_optimizer:
                self._count()

        tensor.backward = backward

    def watch_optimizers(self, optimizer: Any) -> None:
        plain = optimizer.__init__

        def __init__(this: Any, *args: Any, **kwargs: Any) -> None:
            self.has_optimizer = True
            plain(this, *args, **kwargs)

        optimizer.__init__ = __init__

    def watch_scaler(self, scaler: Any) -> None:
        plain = scaler.scale

        def scale(this: Any, outputs: Any) -> Any:
            if hasattr(outputs, "detach") and outputs.numel() == 1:
                self.loss = outputs.detach()
                self._scaled = True
            return plain(this, outputs)

        scaler.scale = scale


COUNTER = StepCounter()


def _of_optimizer(module: ModuleType) -> None:
    module.register_optimizer_step_post_hook(COUNTER.stepped)
    COUNTER.watch_optimizers(module.Optimizer)
    COUNTER.watch_losses(sys.modules["torch"].Tensor)


def _of_scaler(module: ModuleType) -> None:
    COUNTER.watch_scaler(module.GradScaler)


AFTER_IMPORT = {"torch.optim.optimizer": _of_optimizer, "torch.amp.grad_scaler": _of_scaler}


class _AfterImport(importlib.abc.MetaPathFinder):
    """Finds these modules as everybody does, and looks at each once it has been loaded."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in AFTER_IMPORT:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                AFTER_IMPORT[name](module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _load_the_next() -> None:
    """The sitecustomize that this one hides, if the environment has one of its own."""
    others = [entry for entry in sys.path if os.path.abspath(entry or ".") != HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if FILE:
    sys.meta_path.insert(0, _AfterImport())
_load_the_next()
