"""Files that this machine gets for itself: from an https address that was named, each with the sha256 it must have."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from .files import check_name
from .json_files import Problem

SILENT_S = 60.0
READ_BYTES = 1 << 20
TRIES = 3  # each goes on where the one before was cut off
PARTIAL, WRONG_RANGE = 206, 416


class _TooLarge(Problem):
    """More than was said; nothing of it is kept."""


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(folder: Path, wanted: list[dict[str, Any]]) -> dict[str, int]:
    """Fetch what is not there yet: each of `wanted` has `name` (below `folder`), `address`, `sha256` and `max_bytes`.

    A file has its name only once it is whole and verified.

    Raises:
        Problem: an address does not answer, or what it gave is larger or has another sha256.
    """
    files = size = 0
    for one in wanted:
        check_name(one["name"])
        path = folder / one["name"]
        if path.is_file() and _sha256(path) == one["sha256"]:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name("." + path.name + ".fetching")
        _download(one["address"], part, one["max_bytes"])
        if (found := _sha256(part)) != one["sha256"]:
            part.unlink()
            said = f"{_shown(one['address'])}: the file has sha256 {found}, not {one['sha256']}"
            raise Problem(f"{said}; nothing was kept")
        os.replace(part, path)
        files, size = files + 1, size + path.stat().st_size
    return {"files": files, "bytes": size}


def _download(address: str, part: Path, max_bytes: int) -> None:
    """All of it into `part`, of which a beginning may be there."""
    _check_address(address)
    opener = urllib.request.build_opener(_OnlyHttps)
    for left in reversed(range(TRIES)):
        try:
            with part.open("ab") as file:
                _append(opener, address, file, max_bytes)
            return
        except _TooLarge:
            part.unlink()
            raise
        except (OSError, HTTPException, ValueError) as error:
            code = getattr(error, "code", None)
            if code == WRONG_RANGE:  # it was whole, or is another file by now: its sha256 tells
                if left < TRIES - 1:
                    return
                part.unlink()
            elif not left or code is not None or getattr(error, "filename", None) == str(part):
                raise Problem(f"{_shown(address)}: not fetched: {getattr(error, 'reason', None) or error}") from None


def _append(opener: urllib.request.OpenerDirector, address: str, file: IO[bytes], max_bytes: int) -> None:
    have = file.tell()
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    with opener.open(request, timeout=SILENT_S) as answer:
        if have and answer.status != PARTIAL:
            file.truncate(0)
            have = 0
        length = answer.headers.get("Content-Length")
        expected = have + int(length) if length else None
        while have <= max_bytes and (expected or 0) <= max_bytes and (data := answer.read(READ_BYTES)):
            have += file.write(data)
    if max(have, expected or 0) > max_bytes:
        raise _TooLarge(f"{_shown(address)}: more than {max_bytes} bytes; nothing was kept")
    if expected is not None and have < expected:
        raise OSError(f"cut off after {have} of {expected} bytes")


def _check_address(address: str) -> None:
    if not address.startswith("https://"):
        raise Problem(f"{_shown(address)}: not an https address; refused")


def _shown(address: str) -> str:
    """Without the query, which may hold a key."""
    return address.partition("?")[0]


def _sha256(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            found.update(data)
    return found.hexdigest()
