"""What all watchers of one pass share: where the run is, whose line is running, and what goes wrong in a watcher."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Literal, TypeVar

from gonogo.script.request import PassRequest

Phase = Literal["watch", "memorise", "reach"]
Answer = TypeVar("Answer")
OWN = Path(__file__).parents[2]


class Session:
    """One run of the script."""

    def __init__(self, request: PassRequest) -> None:
        self.request = request
        self.steps = 0  # optimizer steps done; without any optimizer, backward passes
        # `watch` while the script's results are its own; then its batches are repeated, or its epochs cut short
        self.phase: Phase = "watch"
        self.clock = 0  # counts events, so that they can be ordered
        self.started = time.monotonic()
        self.in_backward = False
        self.in_probe = False
        self.broken: dict[str, str] = {}  # watcher → its own error; it sees nothing from then on
        self.notes: list[str] = []
        script = Path(request.folder, request.command.path or ".").resolve()
        self._folders = {str(Path(request.folder).resolve()), str(script.parent if request.command.path else script)}
        self._theirs: dict[CodeType, bool] = {}

    @property
    def watching(self) -> bool:
        return self.phase == "watch" and not self.in_probe

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def guard(self, watcher: str, look: Callable[..., Answer], *args: Any) -> Answer | None:
        """Call a watcher; an error of ours ends that watcher, never the script."""
        if watcher in self.broken:
            return None
        try:
            return look(*args)
        except Exception as problem:
            self.broken[watcher] = f"{type(problem).__name__}: {problem}"[:300]
            return None

    def frames(self) -> list[FrameType]:
        """Frames of the script's own code, innermost first."""
        found: list[FrameType] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if self.is_theirs(frame.f_code):
                found.append(frame)
            frame = frame.f_back
        return found

    def where(self) -> str:
        """`train.py:34`: the script's line that is running; empty where none is."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if self.is_theirs(frame.f_code):
                return self.line(frame)
            frame = frame.f_back
        return ""

    def line(self, frame: FrameType) -> str:
        path = Path(frame.f_code.co_filename).resolve()
        folder = next((folder for folder in self._folders if path.is_relative_to(folder)), "")
        return f"{path.relative_to(folder) if folder else path.name}:{frame.f_lineno}"

    def is_theirs(self, code: CodeType) -> bool:
        """Whether this code is of the script's folders, and of no installed package."""
        known = self._theirs.get(code)
        if known is None:
            path = Path(code.co_filename)
            known = False
            if path.suffix == ".py" and path.exists():
                path = path.resolve()
                own = path.is_relative_to(OWN)
                known = not own and "site-packages" not in path.parts and any(map(path.is_relative_to, self._folders))
            self._theirs[code] = known
        return known
