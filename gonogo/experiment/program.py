"""A program of the experiment's own, run here: its lines passed on as they come, its last ones shown where it fails."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from gonogo.agent.processes import die_with_parent
from gonogo.base.errors import ProgramError, UserError

LAST_LINES = 12
PATIENCE_S = 10.0  # between SIGTERM and SIGKILL
PYTHONS = ("python", "python3")  # as a first word: the interpreter that runs gonogo, here and on the machine


class Program:
    """A running program; leaving the block ends it.

    Args:
        key: of the config, for messages.
        say: called with each line that it prints.
        environment: variables beside those of this process.

    Raises:
        UserError: there is no such program.
    """

    def __init__(
        self,
        key: str,
        words: Sequence[str],
        folder: Path,
        say: Callable[[str], None],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._key, self._say = key, say
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        argv = [sys.executable if words[0] in PYTHONS else words[0], *words[1:]]
        try:
            self._process = subprocess.Popen(
                argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                preexec_fn=die_with_parent(),  # noqa: PLW1509  (it allocates nothing and takes no lock)
            )  # fmt: skip
        except OSError as error:
            raise UserError(f"{key}: {words[0]!r} cannot be run: {error.strerror}") from None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))

    def running(self, wait_s: float) -> bool:
        """Wait so long at most, passing lines on; whether it still runs."""
        try:
            self._process.wait(wait_s)
            self._reader.join(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pass
        while not self._lines.empty():
            line = self._lines.get()
            self._last.append(line)
            self._say(line)
        return self._process.poll() is None

    def end(self) -> None:
        """Ask it to end, then make it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def check(self) -> None:
        """Raise ProgramError unless it ended well."""
        code = self._process.returncode
        if code:
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            said = "\n".join(f"  {line}" for line in self._last) or "  (nothing)"
            raise ProgramError(f"{self._key} ended with {how}. Its last lines:\n{said}", code)


def run_program(key: str, words: Sequence[str], folder: Path, say: Callable[[str], None]) -> None:
    """Run it to its end.

    Raises:
        UserError: there is no such program, or (ProgramError) it did not end with exit code 0.
    """
    with Program(key, words, folder, say) as program:
        while program.running(1.0):
            pass
        program.check()
