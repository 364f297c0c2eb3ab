"""Shards as they lie on disk: members of a tar file in their order, gathered to samples."""

from __future__ import annotations

import gzip
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

SUFFIXES = (".tar", ".tar.gz", ".tgz")
LARGEST = 1 << 28  # bytes of a member that are looked into: 256 MiB
PICTURES = ("png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif")
TEXT_BYTES = 1 << 16


@dataclass
class ShardSample:
    """Members that share a name up to its first dot, and follow each other.

    Attributes:
        members: size by what follows that dot.
        problems: of members that are no whole picture or JSON, in words.
        label: of a member `cls`, its text.
        content: hash of the members that hold data, 64 bits.
    """

    key: str
    members: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    label: str = ""
    content: int = 0


def read_samples(path: Path) -> Iterator[ShardSample]:
    """In one pass; memory for the largest member.

    Raises:
        ValueError: not a tar file, or cut short.
    """
    sample: ShardSample | None = None
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                if not member.isfile():
                    continue
                key, suffix = _divided(member.name)
                if sample is None or key != sample.key or suffix in sample.members:
                    if sample is not None:
                        yield sample
                    sample = ShardSample(key)
                _add(sample, suffix, archive, member)
            _check_end(path, archive.offset)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        after = f" after sample {sample.key}" if sample else ""
        raise ValueError(f"cut short or damaged{after}: {str(error) or type(error).__name__}") from None
    if sample is not None:
        yield sample


def _check_end(path: Path, offset: int) -> None:
    """A plain tar is closed by a block of zeros; one that was cut between two members lacks nothing else."""
    if path.suffix.lower() != ".tar":
        return  # a compressed stream says itself where it is cut
    with path.open("rb") as stream:
        stream.seek(offset)
        after = stream.read(tarfile.BLOCKSIZE)
    if after != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("the zeros that close it are missing")


def _divided(name: str) -> tuple[str, str]:
    """`a/0001.seg.png` is the sample `a/0001` and its `seg.png`."""
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return f"{folder}{slash}{stem}", suffix.lower()


def _add(sample: ShardSample, suffix: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    sample.members[suffix] = member.size
    last = suffix.rsplit(".", maxsplit=1)[-1]
    if not member.size:
        sample.problems.append(f"{member.name}: empty")
        return
    if member.size > LARGEST:
        return  # passed over: no memory of that size is taken for one member
    stream = archive.extractfile(member)
    data = stream.read() if stream else b""
    if len(data) < member.size:
        raise tarfile.ReadError(f"{member.name}: {len(data)} of {member.size} bytes")
    if last == "cls":
        sample.label = data[:TEXT_BYTES].decode(errors="replace").strip()[:60]
    elif last not in ("json", "txt") or not sample.content:
        sample.content ^= int.from_bytes(blake2b(data, digest_size=8).digest())
    if problem := _problem(last, data):
        sample.problems.append(f"{member.name}: {problem}")


def _problem(suffix: str, data: bytes) -> str:
    """Why a member is no whole picture or JSON; empty for none, and for what is not looked into."""
    if suffix in PICTURES:
        from gonogo.quality.pictures.decoding import decode

        return decode(data).problem
    if suffix == "json":
        try:
            json.loads(data)
        except (ValueError, RecursionError):
            return "not JSON"
    return ""
