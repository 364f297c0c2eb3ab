"""Checkpoints are downloaded while training runs, so that a lost machine costs at most one interval."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gonogo.agent.files import WHOLE_BYTES, check_name, file_entry
from gonogo.agent.incoming import INCOMING, Incoming
from gonogo.agent.json_files import Problem
from gonogo.base.errors import UserError
from gonogo.config.target import Ssh, Target
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine, connect
from gonogo.remote.transfer.chunks import cut_file
from gonogo.remote.transfer.common import HASHING_S, question
from gonogo.remote.transfer.downloads import fetch
from gonogo.remote.transfer.worker_pool import TransferPool

FOLDER = "out/checkpoints"
BEST = "best"


def fetch_checkpoints(machine: Machine, run_dir: str, into: Path) -> list[Path]:
    """Download the newest and the best checkpoint of a run, complete and verified, and delete older ones here.

    One that is being written is left for the next call; what is here already is not sent again.

    Returns:
        The files that were downloaded.

    Raises:
        RemoteError: the transfer failed; what was here before stays.
    """
    folder = f"{run_dir}/{FOLDER}"
    listed = machine.run_agent("checkpoints", folder, timeout_s=HASHING_S)
    wanted = _newest_and_best(machine, listed)
    into.mkdir(parents=True, exist_ok=True)
    here = {name for name, entry in wanted.items() if _is_here(into / name, entry)}
    came = {name: entry for name, entry in wanted.items() if name not in here}
    if came:
        incoming = Incoming(into, into / INCOMING)
        incoming.parts.mkdir(exist_ok=True)
        chunks = [chunk for name, entry in came.items() for chunk in cut_file(name, entry["bytes"])]
        with TransferPool(machine, "send", folder) as pool:
            pool.open()
            pool.ask(question(None))
            hashes = {name: entry["sha256"] for name, entry in came.items()}
            fetch(machine, pool, incoming, chunks, hashes, lambda done, total: None)
        in_chunks = {name: entry["bytes"] for name, entry in came.items() if entry["bytes"] > WHOLE_BYTES}
        incoming.finish({name: [size, 0o644] for name, size in in_chunks.items()})
    for path in into.glob("*.ckpt"):
        if wanted and path.name not in wanted:
            path.unlink()
    return [into / name for name in came]


def _newest_and_best(machine: Machine, listed: Any) -> dict[str, dict[str, Any]]:
    """The entries that are wanted, each with a plain file name; nothing that the machine sends is trusted."""
    try:
        entries: dict[str, dict[str, Any]] = {
            name: {"bytes": int(entry["bytes"]), "sha256": list(entry["sha256"]), "mtime": float(entry["mtime"])}
            for name, entry in listed.items()
            if "/" not in name
        }
        for name in entries:
            check_name(name)
    except (Problem, AttributeError, KeyError, TypeError, ValueError):
        raise RemoteError(f"{machine.where}: sent a malformed list of checkpoints") from None
    newest = max(((entry["mtime"], name) for name, entry in entries.items()), default=(0.0, ""))[1]
    return {name: entry for name, entry in entries.items() if name == newest or name.startswith(BEST)}


def _is_here(path: Path, entry: dict[str, Any]) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != entry["bytes"]:
        return False
    return bool(file_entry(path)["sha256"] == entry["sha256"])


@contextlib.contextmanager
def fetching_checkpoints(
    ssh: Callable[[], Ssh], target: Target, run_dir: str, into: Path, every_s: float, say: Callable[[str], None]
) -> Iterator[None]:
    """`fetch_checkpoints` every `every_s` seconds, on connections of its own, while the block runs."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(every_s):
            try:
                with connect(ssh(), target) as machine:
                    came = fetch_checkpoints(machine, run_dir, into)
            except UserError as error:
                say(f"checkpoints could not be downloaded, trying again later: {error}")
                continue
            if came:
                say(f"downloaded {', '.join(sorted(path.name for path in came))} to {into}")

    thread = threading.Thread(target=work, name="checkpoints", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
