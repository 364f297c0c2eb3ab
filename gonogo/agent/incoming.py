"""Files on their way: where chunks wait until a file is whole, and both ends of a transfer on the machine."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from .files import MANIFEST, WHOLE_BYTES, check_name, chunk_bytes, chunk_hashes, files_below, manifest
from .frames import cut, frame, read_chunk, read_frames
from .json_files import UMASK, Problem, read_json, write_json

NAMED = 100  # of the names that are wrong
UNREAD = "!"  # before the reason why a chunk cannot be sent
INCOMING, OWNER = ".gonogo-incoming", "owner"


class Incoming:
    """Where chunks wait below `folder` until their file is whole: nothing else ever has the file's own name.

    A file that is one chunk is renamed as soon as it is verified. Of a larger one the chunks are written where they
    belong in `PARTS/KEY.part`, and `finish` renames it. Which chunks are there, their hashes alone tell.
    """

    def __init__(self, folder: Path, parts: Path | None = None) -> None:
        self.folder, self.parts = folder, parts or folder / INCOMING
        self._folders: set[str] = set()
        self._open: tuple[str, int] = ("", -1)

    def part(self, name: str) -> Path:
        """Where the chunks of this file wait."""
        return self.parts / (hashlib.sha256(os.fsencode(name)).hexdigest()[:40] + ".part")

    def put(self, chunk: list[Any], data: memoryview) -> None:
        """Keep a verified chunk: [name, offset, bytes, size, mode, sha256].

        Raises:
            Problem: it is not what its hash says, or its name leads elsewhere.
        """
        name, offset, count, size, mode, sha256 = chunk
        check_name(name)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise Problem(f"{name}: received data differs from what was sent (sha256)")
        if offset == 0 and count == size:
            waiting = str(self.part(name))
            target = self._target(name)
            handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _mode(mode))
            try:
                _write_at(handle, data, 0)
            finally:
                os.close(handle)
            os.replace(waiting, target)
        else:
            _write_at(self._part_handle(name, size), data, offset)

    def _part_handle(self, name: str, size: int) -> int:
        if self._open[0] != name:
            self.close()
            handle = os.open(str(self.part(name)), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            self._open = (name, handle)
            if os.fstat(handle).st_size > size:
                os.ftruncate(handle, size)
        return self._open[1]

    def close(self) -> None:
        if self._open[1] >= 0:
            os.close(self._open[1])
        self._open = ("", -1)

    def reuse(self, name: str, ranges: list[list[int]]) -> None:
        """Copy chunks of the file that has this name now: [offset there, offset in the new one, bytes]."""
        check_name(name)
        part = self.part(name)
        part.touch()
        with Path(self._target(name)).open("rb") as old, part.open("r+b") as new:
            for source, offset, count in ranges:
                old.seek(source)
                new.seek(offset)
                new.write(old.read(count))

    def finish(self, files: dict[str, list[int]]) -> None:
        """Rename these files, name → [bytes, mode], whose chunks have all come; forget all others that wait."""
        for name, (size, mode) in files.items():
            check_name(name)
            part = self.part(name)
            if part.is_symlink() or not part.is_file() or part.stat().st_size != size:
                raise Problem(f"{name}: incomplete; run the same command again to send the rest")
            part.chmod(_mode(mode))
            part.replace(self._target(name))
        shutil.rmtree(str(self.parts), ignore_errors=True)

    def _target(self, name: str) -> str:
        """The file's path, its folders made, none of them reached through a link."""
        folder = os.path.dirname(name)
        if folder not in self._folders:
            path = str(self.folder)
            for part in folder.split("/") if folder else []:
                path = path + "/" + part
                if os.path.islink(path):
                    raise Problem(f"{name}: {path} is a link; refused to write through it")
                with contextlib.suppress(FileExistsError):
                    os.mkdir(path)
            self._folders.add(folder)
        return f"{self.folder}/{name}"


def _mode(mode: int) -> int:
    """As the umask has it here; a file that is private where it comes from stays private."""
    wide = 0o777 if mode & 0o100 else 0o666
    return wide & ~UMASK if mode & 0o077 else wide & 0o700


def _write_at(handle: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(handle, data, offset)
        data, offset = data[written:], offset + written


def prepare(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """What is here of what will be sent, and a place for the rest, which belongs to whoever asked last.

    Args:
        wanted: `names` that are compared, `sizes` of all files below them, `owner` a word of the sender's,
            `unasked` how many frames follow this question at once.

    Returns:
        `files` and `parts`: name → hashes of the chunks that the file of that name has, or that wait for it, cut as
        the wanted size says. `extra`: what is not wanted. `free_bytes`. `refused`: how many of the first frames will
        be thrown away: all that were not asked for, unless nothing is here yet and there is room.
    """
    incoming, sizes = Incoming(folder), wanted["sizes"]
    incoming.parts.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        (folder / MANIFEST).unlink()  # until `finish`, what is here is neither the old upload nor the new one
    write_json(incoming.parts / OWNER, wanted["owner"])
    extra, files, parts = [], {}, {}
    for name, path in files_below(folder, wanted["names"]):
        if name not in sizes or path is None:
            extra.append(name)
        elif sizes[name] > WHOLE_BYTES or path.stat().st_size == sizes[name]:
            files[name] = path
    for name, size in sizes.items():
        if size > WHOLE_BYTES and incoming.part(name).is_file():
            parts[name] = incoming.part(name)
    hashes = [
        dict(zip(paths, chunk_hashes([(path, chunk_bytes(sizes[name])) for name, path in paths.items()])))
        for paths in (files, parts)
    ]
    free = shutil.disk_usage(str(folder)).free
    welcome = not (files or parts or extra) and sum(sizes.values()) <= free
    refused = 0 if welcome else wanted["unasked"]
    return {"files": hashes[0], "parts": hashes[1], "extra": extra, "free_bytes": free, "refused": refused}


def reuse(folder: Path, wanted: dict[str, list[list[int]]]) -> dict[str, Any]:
    """`Incoming.reuse` for each of these names."""
    for name, ranges in wanted.items():
        Incoming(folder).reuse(name, ranges)
    return {"files": len(wanted)}


def answer_first(stream: IO[bytes], out: IO[bytes], reply: Callable[[Any], Any]) -> Any:
    """A stream may begin with a question: a line `?` with the length of the JSON that follows; one line answers it.

    Returns the answer; None where there was no question.
    """
    if stream.peek(1)[:1] != b"?":  # type: ignore[attr-defined]
        return None
    answer = reply(json.loads(stream.read(int(stream.readline()[1:]))))
    out.write(json.dumps(answer).encode() + b"\n")
    out.flush()
    return answer


def receive(folder: Path, owner: str, stream: IO[bytes], refused: int = 0) -> dict[str, Any]:
    """Keep the chunks that come, until the stream ends or somebody else prepares to send here.

    After an empty line follows what `finish` wants to know. The first `refused` frames are thrown away.
    """
    incoming, kept = Incoming(folder), 0
    for number, (chunks, data) in enumerate(read_frames(stream)):
        if number < refused:
            continue
        if read_json(incoming.parts / OWNER) != owner:
            raise Problem("another transfer to this folder has started; this one stops")
        for chunk, part in cut(chunks, data):
            incoming.put(chunk, part)
            kept += 1
    incoming.close()
    ending = stream.read()
    if ending:
        finish(folder, json.loads(ending))
    return {"chunks": kept}


def send(folder: Path, requests: IO[bytes], out: IO[bytes]) -> None:
    """Answer each request, a line {"chunks": [[name, offset, bytes, size], …], "pack": bool}, with a frame.

    A chunk that cannot be read is answered with one of no bytes, and the reason in place of its hash.
    """
    real_root = os.path.realpath(folder)
    for line in iter(requests.readline, b""):
        request = json.loads(line)
        chunks, blocks = [], []
        for name, offset, count, size in request["chunks"]:
            check_name(name)
            path = folder / name
            if not os.path.realpath(path).startswith(real_root + "/"):
                raise Problem(f"{name}: leads out of its folder; not sent")
            try:
                block = read_chunk(path, offset, count)
            except Problem as problem:
                chunks.append([name, offset, 0, size, 0, UNREAD + str(problem)])
                continue
            chunks.append([name, offset, count, size, 0o644, hashlib.sha256(block).hexdigest()])
            blocks.append(block)
        for buffer in frame(chunks, blocks, request["pack"]):
            out.write(buffer)
        out.flush()


def finish(folder: Path, done: dict[str, Any]) -> dict[str, Any]:
    """End a transfer to here: name the files that came in chunks, and note the manifest of all, for `verify`."""
    incoming = Incoming(folder)
    if read_json(incoming.parts / OWNER) != done["owner"]:
        raise Problem("another transfer to this folder has started; this one stops")
    incoming.finish(done["files"])
    write_json(folder / MANIFEST, done["manifest"])
    return {"files": len(done["manifest"]["files"])}


def verify(folder: Path) -> dict[str, Any]:
    """Read everything again and compare it with what was sent.

    Returns:
        `files`: how many were read; `different`: how many differ, and the names of the first of them, `wrong`.
    """
    sent = read_json(folder / MANIFEST)
    if sent is None:
        raise Problem(f"{folder}: no upload to it was ever completed; upload first")
    here, wanted = manifest(folder, sent["names"]), sent["files"]
    wrong = [name for name in sorted(here.keys() | wanted.keys()) if here.get(name) != wanted.get(name)]
    return {"files": len(here), "different": len(wrong), "wrong": wrong[:NAMED]}
