"""What earlier scans measured, kept by content: a scan that is interrupted or repeated decodes nothing twice.

One SQLite file, for any number of data folders, kinds, threads and processes of one machine. An entry is found by the
sha256 of a file's bytes, the kind, and a digest of all code that measures, so that neither a changed file nor a
changed program ever gets an old figure. The file can be removed at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gonogo.base.digests import code_digest
from gonogo.quality.inspector import StatisticsCache

BATCH, BATCH_S = 200, 1.0  # entries, or seconds, after which what was measured is safe on disk
KEY_BYTES = 20
BUSY_S = 5.0  # waiting for another process to finish its batch
# packages whose version can change a figure
DECODERS = ("numpy", "opencv-python-headless", "pillow", "simplejpeg", "nibabel", "h5py", "trimesh")
TABLE = "CREATE TABLE IF NOT EXISTS statistics (key BLOB PRIMARY KEY, value BLOB NOT NULL)"


class Cache(StatisticsCache):
    """Statistics by the sha256 of a file's bytes; see `open_cache`."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = Path(path), kind
        self.hits = 0  # how many times there was an entry
        self._scope = f"{kind}\0{_version()}".encode()
        self._lock = threading.Lock()
        self._waiting: dict[bytes, bytes] = {}
        self._written_at = time.monotonic()
        self._connection: sqlite3.Connection | None = None
        self._usable = True

    def __reduce__(self) -> tuple[type[Cache], tuple[Path, str]]:
        """A copy in another process has a connection of its own."""
        return Cache, (self.path, self.kind)

    def get(self, content: str) -> dict[str, Any] | None:
        key = self._key(content)
        with self._lock:
            value = self._waiting.get(key) or self._read(key)
        if value is None:
            return None
        try:
            statistics = json.loads(value)
        except ValueError:
            return None
        self.hits += 1
        assert isinstance(statistics, dict)
        return statistics

    def put(self, content: str, statistics: dict[str, Any]) -> None:
        key, value = self._key(content), json.dumps(statistics, separators=(",", ":")).encode()
        with self._lock:
            self._waiting[key] = value
            if len(self._waiting) >= BATCH or time.monotonic() - self._written_at > BATCH_S:
                self._write()

    def close(self) -> None:
        """Write what waits, and close the file until the next call."""
        with self._lock:
            self._write()
            if self._connection:
                self._connection.close()
            self._connection = None

    def _connected(self) -> sqlite3.Connection | None:
        """Opened when it is first needed: a connection must not be carried into a forked process."""
        if self._connection is None and self._usable:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = sqlite3.connect(
                    self.path, timeout=BUSY_S, check_same_thread=False, isolation_level=None
                )
                self._connection.execute("PRAGMA journal_mode = WAL")  # readers and a writer do not wait for each other
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.execute(TABLE)
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)
        return self._connection

    def _read(self, key: bytes) -> bytes | None:
        connection = self._connected()
        if connection is None:
            return None
        try:
            row = connection.execute("SELECT value FROM statistics WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        return row[0] if row else None

    def _write(self) -> None:
        waiting, self._waiting, self._written_at = self._waiting, {}, time.monotonic()
        connection = self._connected() if waiting else None
        if connection is None:
            return
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO statistics VALUES (?, ?)", waiting.items())
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """A cache that is locked, damaged or on a full disk is no longer used: it only saves time."""
        warnings.warn(
            f"{self.path}: cannot be used ({error}); everything is measured again. Remove it if it is damaged.",
            stacklevel=4,
        )
        connection, self._connection, self._usable = self._connection, None, False
        if connection:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _key(self, content: str) -> bytes:
        return hashlib.sha256(self._scope + content.encode()).digest()[:KEY_BYTES]


@contextlib.contextmanager
def open_cache(path: Path | str, kind: str) -> Iterator[Cache]:
    """The cache at `path`, made where there is none, for statistics of one kind."""
    cache = Cache(Path(path), kind)
    try:
        yield cache
    finally:
        cache.close()


def _version() -> str:
    """Of everything that measures."""
    code = code_digest(sorted(Path(__file__).parent.rglob("*.py")))
    return " ".join([code, *[f"{name} {_installed(name)}" for name in DECODERS]])


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
