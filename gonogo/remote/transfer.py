"""Files to the machine and back: by manifest of hashes, as one stream, verified on arrival."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from gonogo.errors import UserError
from gonogo.remote import agent
from gonogo.remote.errors import RemoteError
from gonogo.remote.machine import Machine

HASHING_S = 3600.0
Progress = Callable[[int, int], None]


# name → {"sha256", "bytes"}, as `agent.manifest` makes it; an empty sha256 means that the file cannot travel
Manifest = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Transfer:
    """What was moved, and of what whole. `skipped`: links, devices and pipes on the machine, which stay there."""

    files_sent: int
    bytes_sent: int
    files_total: int
    bytes_total: int
    seconds: float
    skipped: tuple[str, ...] = ()


def upload(machine: Machine, local: Mapping[str, Path], remote_root: str, progress: Progress) -> Transfer:
    """Make the machine's files below `remote_root` equal to ours: send what differs, remove what is not ours.

    `local` maps names below `remote_root` to files or folders here; what is beside these names is left alone, and so
    are hidden files. Interrupted, the next call sends what is still missing. `progress(bytes, of bytes)`.

    Raises:
        UserError: a file cannot be read or leads out of its folder.
        RemoteError: the transfer failed, or what is there afterwards is not what was sent; names the first file.
    """
    began = time.monotonic()
    files = _local_files(local)
    wanted = {name: _entry(path) for name, path in files.items()}
    machine.install_agent()
    there = _remote_manifest(machine, remote_root, list(local))
    extra = [name for name in there if name not in wanted]
    missing = {name: entry for name, entry in wanted.items() if there.get(name) != entry}
    if extra:
        machine.run_agent("remove", remote_root, "--names", stdin=json.dumps(extra))
    if missing:
        _send(machine, {name: files[name] for name in missing}, missing, remote_root, progress)
    if extra or missing:
        _check_equal(machine, wanted, _remote_manifest(machine, remote_root, list(local)))
    return Transfer(
        files_sent=len(missing),
        bytes_sent=_total_bytes(missing),
        files_total=len(wanted),
        bytes_total=_total_bytes(wanted),
        seconds=time.monotonic() - began,
    )


def download(machine: Machine, remote_folder: str, local_final: Path, progress: Progress) -> Transfer:
    """Fetch a folder into a name that is new here; it appears whole and verified, or not at all.

    Raises:
        UserError: `local_final` exists, or the disk has no room.
        RemoteError: the stream broke, or brought what the manifest does not name; names the file.
    """
    began = time.monotonic()
    _refuse_existing(local_final)
    there = _remote_manifest(machine, remote_folder, None)
    expected = {name: entry for name, entry in there.items() if entry["sha256"]}
    if not expected:
        raise RemoteError(f"{machine.where}: {machine.path(remote_folder)} holds no files to fetch")
    local_final.parent.mkdir(parents=True, exist_ok=True)
    total, free = _total_bytes(expected), shutil.disk_usage(local_final.parent).free
    if total > free:
        raise UserError(f"{local_final}: {total / 1e6:.0f} MB to fetch, {free / 1e6:.0f} MB free. Make room there.")
    partial = Path(mkdtemp(prefix=f"{local_final.name}.partial-", dir=local_final.parent))
    try:
        partial.chmod(0o755)
        _fetch(machine, remote_folder, expected, partial, _counting(progress, total))
        _refuse_existing(local_final)
        partial.rename(local_final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Transfer(
        files_sent=len(expected),
        bytes_sent=total,
        files_total=len(expected),
        bytes_total=total,
        seconds=time.monotonic() - began,
        skipped=tuple(sorted(there.keys() - expected.keys())),
    )


# --- here ------------------------------------------------------------------------------------------------


def _local_files(local: Mapping[str, Path]) -> dict[str, Path]:
    """Name below the remote root → file here."""
    files: dict[str, Path] = {}
    for name, path in local.items():
        if not path.exists():
            raise UserError(f"{path}: does not exist, so it cannot be uploaded as {name}")
        if path.is_file():
            files[name] = path
            continue
        for below, file in agent.files_below(path):
            if file is None:
                raise UserError(f"{path / below}: leads out of {path} or is no file. Copy it in, or move it away.")
            files[f"{name}/{below}"] = file
    return files


def _entry(path: Path) -> dict[str, Any]:
    try:
        return agent.file_entry(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise UserError(f"{path}: exists, and a download never overwrites. Move it away, or choose another name.")


def _total_bytes(manifest: Manifest) -> int:
    return sum(entry["bytes"] for entry in manifest.values())


def _counting(progress: Progress, total: int) -> Callable[[int], None]:
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return add


# --- there -----------------------------------------------------------------------------------------------


def _remote_manifest(machine: Machine, folder: str, names: list[str] | None) -> Manifest:
    """Of these names of the folder; None: of all of it."""
    asked = ["--names"] if names is not None else []
    found = machine.run_agent("manifest", folder, *asked, stdin=json.dumps(names), timeout_s=HASHING_S)
    for entry in found.values():
        if not isinstance(entry["sha256"], str) or not isinstance(entry["bytes"], int) or entry["bytes"] < 0:
            raise RemoteError(f"{machine.where}: the manifest of {machine.path(folder)} makes no sense")
    return dict(found)


def _check_equal(machine: Machine, wanted: Manifest, there: Manifest) -> None:
    for name in sorted(wanted.keys() | there.keys()):
        if wanted.get(name) != there.get(name):
            raise RemoteError(f"{machine.where}: {name} is not what was sent; does something else write there?")


def _send(machine: Machine, files: dict[str, Path], manifest: Manifest, root: str, progress: Progress) -> None:
    with machine.start_agent("unpack", root) as channel:
        channel.write(json.dumps(manifest).encode() + b"\n")
        try:
            agent.pack(files, channel, _counting(progress, _total_bytes(manifest)))
        except agent.Problem as problem:
            raise UserError(str(problem)) from None
        channel.end_input()
        channel.check()


def _fetch(machine: Machine, folder: str, expected: Manifest, into: Path, progress: Callable[[int], None]) -> None:
    with machine.start_agent("pack", folder, "--names") as channel:
        channel.write(json.dumps(list(expected)).encode())
        channel.end_input()
        try:
            agent.receive(channel, into, expected, progress)
        except agent.Problem as problem:
            if channel.at_end:
                channel.check()  # it may know better why it ended
            raise RemoteError(f"{machine.where}: {problem}") from None
        channel.check()
