"""Writing down how a run ended, where the disk refuses that for a while, or for good."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from .json_files import read_facts
from .timings import BEAT_S


class Ending:
    """The end of a run whose supervisor this process is.

    Args:
        record: writes exit.json; raises OSError where it cannot.
        note: is given what the log should say.
    """

    def __init__(self, run_dir: Path, record: Callable[[], None], note: Callable[[str], None]) -> None:
        self._run_dir, self._record, self._note, self._said = run_dir, record, note, ""

    def recorded(self) -> bool:
        """Whether it could be written down now."""
        try:
            self._record()
            return True
        except OSError as error:
            said = f"how it ended cannot be written down: {error.strerror or error}"
            if said != self._said:
                self._note(said)
            self._said = said
            return False

    def recorded_within(self, seconds: float, leaving: Callable[[], bool]) -> bool:
        """Tries for `seconds`; whether it was recorded, or the run belongs to another process by now."""
        give_up = time.monotonic() + seconds
        while not leaving() and self._is_ours() and not self.recorded():
            if time.monotonic() > give_up:
                return False
            time.sleep(BEAT_S)
        return True

    def still(self) -> bool:
        """Whether the run has ended, and no other has begun in its folder."""
        return self.recorded() or self._is_ours()

    def _is_ours(self) -> bool:
        try:
            beat = read_facts(self._run_dir / "heartbeat.json")
        except OSError:
            return True
        return beat is not None and beat.get("pid") == os.getpid()
