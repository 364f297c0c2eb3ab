"""How long nobody has watched a run."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path


class Lease:
    """Reads the mtime of a run's lease, which each watcher renews; its changes count, because clocks are set.

    Args:
        unwatched_s, mtime: as they were when this process began to look.
    """

    def __init__(self, run_dir: Path, unwatched_s: float = 0.0, mtime: float = 0.0) -> None:
        self._file, self.mtime = run_dir / "lease", mtime
        self._seen = time.monotonic() - unwatched_s

    def unwatched_s(self) -> float:
        """Since it last changed."""
        with contextlib.suppress(OSError):
            mtime = self._file.stat().st_mtime
            if mtime != self.mtime:
                self.mtime, self._seen = mtime, time.monotonic()
        return time.monotonic() - self._seen
