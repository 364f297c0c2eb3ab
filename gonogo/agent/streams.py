"""A transfer's two ends on the machine, over stdin and stdout."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import IO

from .files import listing
from .incoming import answer_first, prepare, receive, send

READY = b"gonogo stream ready\n"
BUFFER_BYTES = 1 << 20


def receive_files(folder: Path, owner: str) -> None:
    """Keep what comes; a question before it is answered by `prepare`."""
    stream, out = _streams()
    answer = answer_first(stream, out, lambda wanted: prepare(folder, wanted))
    refused = answer["refused"] if answer else 0
    out.write(json.dumps(receive(folder, owner, stream, refused)).encode() + b"\n")
    out.flush()


def send_files(folder: Path) -> None:
    """Send what is asked for; a question before it is answered by `listing`."""
    stream, out = _streams()
    answer_first(stream, out, lambda _: listing(folder))
    send(folder, stream, out)


def _streams() -> tuple[IO[bytes], IO[bytes]]:
    """stdin and stdout with large buffers, once stdout has said that what follows is the agent's."""
    for descriptor in (0, 1):
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, 1031, BUFFER_BYTES)  # F_SETPIPE_SZ, of Linux
    out = os.fdopen(1, "wb", BUFFER_BYTES, closefd=False)
    out.write(READY)
    out.flush()
    return os.fdopen(0, "rb", BUFFER_BYTES, closefd=False), out
