"""One command that the embedded SSH server was asked for, and the environment that it runs in."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncssh

USER = "gonogo"
CHUNK_BYTES = 1 << 18
INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SHELL")
OF_A_JOB = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_CONF")  # where it is one


async def run_command(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """One exec: `/bin/sh -c COMMAND` in a session of its own.

    A dropped connection closes its pipes and kills nothing, as sshd does. The bytes are copied here because
    `process.redirect` loses the end of a stdin that is read slowly (asyncio closes a pipe that was just refilled).
    """
    if not process.command:
        process.stderr.write(b"commands only: this server has no terminal\n")
        process.exit(1)
        return
    (from_stdout, stdout), (from_stderr, stderr) = os.pipe(), os.pipe()
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        env=environment(),
    )
    os.close(stdout)
    os.close(stderr)
    assert child.stdin is not None
    feeding = asyncio.create_task(_feed(process.stdin, child.stdin))
    await asyncio.gather(_forward(from_stdout, process.stdout), _forward(from_stderr, process.stderr))
    code = await child.wait()
    feeding.cancel()
    with contextlib.suppress(OSError):
        process.exit(code if code >= 0 else 128 - code)


async def _feed(source: asyncssh.SSHReader[bytes], stdin: asyncio.StreamWriter) -> None:
    import asyncssh

    with contextlib.suppress(OSError, asyncssh.Error), contextlib.closing(stdin):
        while data := await source.read(CHUNK_BYTES):
            stdin.write(data)
            await stdin.drain()


async def _forward(descriptor: int, sink: asyncssh.SSHWriter[bytes]) -> None:
    """Until the pipe ends or the client disconnects; then the pipe is closed, so that the command's writes fail."""
    import asyncssh

    reader = asyncio.StreamReader(limit=CHUNK_BYTES)
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    with contextlib.suppress(OSError, asyncssh.Error), contextlib.closing(pipe):
        while data := await reader.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()


def environment() -> dict[str, str]:
    """What a login would have: nothing of the workflow that happened to start the server."""
    kept = {name: os.environ[name] for name in (*INHERITED, *OF_A_JOB) if name in os.environ}
    return {**kept, "HOME": str(Path.cwd()), "USER": USER, "LOGNAME": USER}
