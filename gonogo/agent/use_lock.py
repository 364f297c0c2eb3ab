"""Held while something is sent, received or started on the machine. Every such command loads this, so it is small."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

USE_LOCK = ".use.lock"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor for locking."""
    descriptor = os.open(str(path), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def tried(descriptor: int, how: int) -> bool:
    """Whether the lock was free, and is held now."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def in_use(command: str) -> Iterator[None]:
    """While something is sent, received or started here. A disk that is full stops none of it."""
    try:
        lock = os.open(USE_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield
        return
    try:
        tried(lock, fcntl.LOCK_SH)
        with contextlib.suppress(OSError):
            os.pwrite(lock, command.encode().ljust(16), 0)  # changes its time, too
        yield
        with contextlib.suppress(OSError):
            os.utime(USE_LOCK)
    finally:
        os.close(lock)


def last_used(root: Path) -> float:
    """When something was sent, received or started here last."""
    try:
        return (root / USE_LOCK).stat().st_mtime
    except OSError:
        return 0.0
