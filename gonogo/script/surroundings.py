"""What stands around any script in both passes: one process, no questions, no trackers, nothing compiled.

What is changed is what a person reads in the facts' notes; what the script asked for is in the facts.
"""

from __future__ import annotations

import builtins
import getpass
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from gonogo.base.replaced import Replaced
from gonogo.script.facts import PassFacts
from gonogo.script.loading import load_here
from gonogo.script.ranks import Ranks, launcher_environment
from gonogo.script.request import PassRequest

# trackers send nothing, ask for no key, and write into the scratch folder, SCRATCH here
TRACKERS = {
    "WANDB_MODE": "disabled", "WANDB_SILENT": "true", "WANDB_DIR": "SCRATCH", "MLFLOW_TRACKING_URI": "file://SCRATCH/mlruns",
    "COMET_START_MODE": "offline", "COMET_OFFLINE_DIRECTORY": "SCRATCH", "NEPTUNE_MODE": "debug",
    "CLEARML_OFFLINE_MODE": "1", "SWANLAB_MODE": "disabled", "TRACKIO_DIR": "SCRATCH", "DVCLIVE_TEST": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1",
}  # fmt: skip
LONGEST = 120  # characters of a command
HERE = Path(__file__).resolve().parents[2]  # the child finds gonogo there, whatever PYTHONPATH the command sets
KEYS = {"WANDB_API_KEY": "0" * 40, "COMET_API_KEY": "0" * 25, "NEPTUNE_API_TOKEN": "ANONYMOUS"}  # where none is set
QUIET = {
    "TORCHDYNAMO_DISABLE": "1", "TOKENIZERS_PARALLELISM": "false", "MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1", "QT_QPA_PLATFORM": "offscreen",
}  # fmt: skip


def environment(request: PassRequest, inherited: Mapping[str, str]) -> dict[str, str]:
    """Environment of the child: what the command sets, what a launcher would, trackers off."""
    size = request.command.processes if request.kind == "card" else 1
    trackers = {key: value.replace("SCRATCH", str(request.scratch)) for key, value in TRACKERS.items()}
    asked = {**inherited, **request.command.environment}
    path = os.pathsep.join(filter(None, [asked.get("PYTHONPATH"), str(HERE)]))
    return {
        **KEYS, **asked, **launcher_environment(request.command, size), "PYTHONPATH": path,
        **trackers, **QUIET, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    }  # fmt: skip


class Surroundings:
    """What both passes have around the script, and what it asked for.

    Args:
        leave: ends the pass, as the ending that it is called with; a question's prompt beside it.
    """

    def __init__(self, request: PassRequest, leave: Callable[..., NoReturn]) -> None:
        self.request, self.leave = request, leave
        self.workers, self.processes = 0, request.command.processes
        self.started: dict[str, None] = {}
        self.notes: list[str] = list(request.command.notes)

    def add_to(self, facts: PassFacts) -> None:
        """What the script asked for, into the facts of the pass."""
        facts.workers, facts.processes, facts.started = self.workers, self.processes, list(self.started)
        facts.notes = [*dict.fromkeys([*self.notes, *facts.notes])]

    @contextmanager
    def around(self) -> Iterator[None]:
        """In place while the script runs."""
        with Replaced() as held:
            self._questions(held)
            self._exits(held)
            self._children(held)
            load_here(held, self._workers_asked)
            Ranks(self.request.kind == "card", self._processes_asked, self.note).replace(held, self.request.command)
            self._compiling(held)
            yield

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _workers_asked(self, count: int) -> None:
        self.workers = max(self.workers, count)
        self.note("data is loaded in the script's own process, not by workers")

    def _processes_asked(self, count: int) -> None:
        self.processes = max(self.processes, count)
        if self.processes > 1:
            self.note("one process of those that the script wants is run: the first")

    def _questions(self, held: Replaced) -> None:
        def ask(prompt: object = "", *_: Any, **__: Any) -> NoReturn:
            self.leave("asks", str(prompt).strip())

        held.set(builtins, "input", ask)
        held.set(getpass, "getpass", ask)
        held.set(sys, "stdin", _NoInput(ask))

    def _exits(self, held: Replaced) -> None:
        """`os._exit` and `os.exec…` of the script end the pass, with its facts kept; its children's are their own."""
        own = os.getpid()

        def leave(plain: Any, *arguments: Any) -> Any:
            if os.getpid() == own:
                self.leave("script_ended")
            return plain(*arguments)

        for name in ("_exit", "execv", "execve", "execvp", "execvpe"):
            plain = getattr(os, name)
            held.set(os, name, lambda *arguments, plain=plain: leave(plain, *arguments))

    def _children(self, held: Replaced) -> None:
        """Other processes do as they please; that there are some is a fact."""
        fork, init = os.fork, subprocess.Popen.__init__

        def forked() -> int:
            if child := fork():
                self.started["a copy of itself"] = None
            return child

        def __init__(process: Any, args: Any, *more: Any, **named: Any) -> None:
            words = [args] if isinstance(args, (str, bytes, os.PathLike)) else list(args)
            if "python" in str(words[0]):
                self.started[" ".join(map(str, words))[:LONGEST]] = None
            init(process, args, *more, **named)

        held.set(os, "fork", forked)
        held.set(subprocess.Popen, "__init__", __init__)

    def _compiling(self, held: Replaced) -> None:
        import torch

        def compile_(model: Any = None, *_: Any, **__: Any) -> Any:
            self.note("torch.compile is left out: the model runs as it is written")
            if model is None:
                return lambda function: function
            if isinstance(model, torch.nn.Module):
                model.__dict__.setdefault("_orig_mod", model)
            return model

        held.set(torch, "compile", compile_)
        held.set(torch.nn.Module, "compile", lambda self_, *_, **__: compile_(self_) and None)


class _NoInput:
    """A standard input from which nobody answers."""

    encoding, errors, closed, name, mode = "utf-8", "strict", False, "<stdin>", "r"

    def __init__(self, ask: Callable[..., NoReturn]) -> None:
        self.read = self.readline = self.readlines = ask

    def __iter__(self) -> _NoInput:
        return self

    def __next__(self) -> str:
        return self.readline()

    def isatty(self) -> bool:
        return False

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def close(self) -> None: ...

    def flush(self) -> None: ...
