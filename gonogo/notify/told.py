"""Which events were sent, each once: one line where sending begins, one with its outcome."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from gonogo.notify.notice import Notice

RECORD = "notified.jsonl"  # in the results folder
AT_MOST_S = 20.0  # to send it, by all entries, with all tries
POLL_S = 0.1
PACKAGE = Path(__file__).parents[2]
_senders: list[subprocess.Popen[bytes]] = []


def tell(
    entries: Sequence[str | Sequence[str]], told: Notice, *, key: str, results: Path, root: Path, session: str
) -> None:
    """Start to send it, unless this key was sent before; returns at once, and raises nothing.

    Args:
        key: names the event: the same key is the same event, also in a later invocation.
        root: where commands run.
        session: of the invocation, whose end says what could not be sent.
    """
    if not entries:
        return
    with contextlib.suppress(Exception):
        record = (results / RECORD).resolve()
        if not _begun(record, told, key, session):
            return
        order = {"entries": list(entries), "notice": told.as_json(), "record": str(record), "key": key}
        path = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
        sender = subprocess.Popen(
            [sys.executable, "-m", "gonogo.notify"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, cwd=root, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        assert sender.stdin is not None
        sender.stdin.write(json.dumps(order).encode())
        sender.stdin.close()
        _senders.append(sender)


def note_outcome(record: Path, key: str, outcome: Sequence[tuple[str, str]]) -> None:
    """How it ended, by name of the entry; an empty problem: it was taken."""
    line = {"at": round(time.time(), 1), "key": key, "outcome": outcome}
    with contextlib.suppress(OSError), _locked(record) as file:
        file.write(json.dumps(line) + "\n")


def problems(results: Path, session: str, wait_s: float) -> list[str]:
    """What this invocation could not tell, one line each; waits for what is still being sent, not for long."""
    record, until = results / RECORD, time.monotonic() + wait_s
    while (pending := _pending(record, session)) and time.monotonic() < until:
        time.sleep(POLL_S)
    found = [f"notify: {title!r} is still being sent; {record} will say how that ended" for title in pending]
    lines = list(_lines(record))
    begun = {line["key"]: line["title"] for line in lines if line.get("session") == session}
    for line in lines:
        if line.get("key") in begun and "outcome" in line:
            said = begun[line["key"]]
            found += [
                f"notify: {name} did not get {said!r}: it {problem}" for name, problem in line["outcome"] if problem
            ]
    return list(dict.fromkeys(found))


def _begun(record: Path, told: Notice, key: str, session: str) -> bool:
    """Whether it is to be sent now. A disk that is full, or has no locks, keeps nothing from being sent."""
    line = {
        "at": round(time.time(), 1), "key": key, "session": session, "event": told.event, "title": told.title,
        "sentence": told.sentence,
    }  # fmt: skip
    try:
        with _locked(record) as file:
            if _was_told(_lines(record), key):
                return False
            file.write(json.dumps(line) + "\n")
    except OSError:
        pass
    return True


def _was_told(lines: Iterable[dict[str, Any]], key: str) -> bool:
    """Whether an entry took it, or may still do so."""
    told = False
    for line in lines:
        if line.get("key") == key:
            outcome = line.get("outcome")
            told = time.time() - line["at"] < AT_MOST_S if outcome is None else any(not why for _, why in outcome)
    return told


def _pending(record: Path, session: str) -> list[str]:
    """Titles of what this invocation has begun to tell, and whose end is not known yet."""
    open_: dict[str, str] = {}
    for line in _lines(record):
        if "outcome" in line:
            open_.pop(line.get("key", ""), None)
        elif line.get("session") == session and time.time() - line["at"] < AT_MOST_S:
            open_[line["key"]] = line["title"]
    return list(open_.values())


def _lines(record: Path) -> Iterator[dict[str, Any]]:
    """A line that a full disk cut short is none."""
    with contextlib.suppress(OSError):
        for text in record.read_text(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                line = json.loads(text)
                if isinstance(line, dict) and "key" in line and "at" in line:
                    yield line


@contextlib.contextmanager
def _locked(record: Path) -> Iterator[TextIO]:
    record.parent.mkdir(parents=True, exist_ok=True)
    with record.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
