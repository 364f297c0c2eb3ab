"""What stands in place of Python on a hostile machine: it lies to every command of the client, in one way at a time.

`python lying_agent.py LIE …` is run with the words that the client sends for an interpreter; one of them is a command
of the agent. Standard library only: it runs on its own.
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

READY = b"gonogo stream ready\n"
STREAMS = ("send", "receive")
COMMANDS = (
    *STREAMS, "checkpoints", "manifest", "verify", "busy", "active", "launch", "release", "follow", "setup", "read",
    "put",
    "adopt", "stop", "status", "lease", "collected", "remove", "reuse", "installed", "runs", "turn",
    "saved", "fetch",
)  # fmt: skip
HASH = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of b"x"
ESCAPES = "\x1b]52;c;cm0gLXJm\x07\x1b[2J\x1b]0;owned\x07\r\u202e"
NAMES = {
    "parent": "../evil", "inner parent": "a/../../evil", "absolute": "/tmp/gonogo-evil", "hidden": ".git/config",
    "hidden below": "a/.git/hooks/evil", "nothing": "", "dot": ".", "zero": "a\0evil", "escapes": f"evil{ESCAPES}",
    "long": "e" * 300, "longest": "evil/" * 1000, "deep": "a/" * 100 + "evil", "half a pair": "evil\ud800",
    "newline": "evil\nevil", "option": "--evil", "double slash": "a//evil", "huge": "e" * 900_000,
}  # fmt: skip
KEYS = (
    "sizes", "skipped", "files", "parts", "extra", "free_bytes", "refused", "state", "run_dir", "key", "timer", "wrong",
    "different", "code", "tries", "said", "exit", "heartbeat", "log", "offset", "bytes", "sha256", "mtime", "python",
    "interpreter", "problems", "changed", "time", "cause", "new",
)  # fmt: skip
WRONG: dict[str, Any] = {
    "null": None, "text": "x", "negative": -1, "huge number": 10**400, "true": True, "list": [], "object": {},
    "lists": [[[1]]],
    "fraction": 0.5, "not a number": float("nan"), "infinite": float("inf"), "escapes": ESCAPES, "many": [1] * 20_000,
}  # fmt: skip


def say(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def forever(block: bytes, pause_s: float = 0.0) -> None:
    while True:
        say(block)
        time.sleep(pause_s)


def shape(command: str, name: str) -> Any:
    """An answer of the right shape, with this in it wherever a name or a word may be."""
    entry = {"bytes": 1, "sha256": [HASH], "mtime": 1e9}
    ended = {"cause": name, "elapsed_s": 1.0, "attempts": [{"cause": name}]}
    shapes: dict[str, Any] = {
        "send": {"sizes": {name: 1}, "skipped": {f"{name} 2": name}},
        "receive": {
            "files": {name: [HASH]}, "parts": {name: [HASH]}, "extra": [name], "free_bytes": 1 << 40, "refused": 0,
        },
        "checkpoints": {f"{name}.ckpt": entry},
        "saved": {f"{name}.pt": entry},
        "manifest": {name: entry},
        "verify": {"files": 1, "different": 1, "wrong": [name]},
        "busy": {"runs": [name], "unfetched": [name], "under_way": name},
        "runs": [{"run_dir": name, "key": name, "state": "running", "cause": name}],
        "turn": {"waiting_for": name},
        "active": {"run_dir": name, "key": name},
        "launch": {"state": "already", "run_dir": name, "key": name, "timer": {"ends_in_s": 1.0}},
        "release": {"code": 1, "tries": 3, "said": name},
        "follow": {"exit": ended},
        "fetch": {"files": name, "bytes": 1},
        "read": {"text": name},
        "installed": {"new": True},
        "setup": {
            "python": name, "interpreter": name, "torch_version": name, "torch_build": name, "device": name,
            "device_bytes": 1, "disk_free_bytes": 1, "memory_bytes": 1, "problems": [name], "changed": True,
            "gpu": name, "driver": name, "gpu_used_bytes": 1, "gpu_total_bytes": 1, "gpu_processes": [name],
            "torch_index": name, "shared_memory_bytes": 1, "cannot_switch_off": name,
            "time": 1.0,
        },
    }  # fmt: skip
    return shapes.get(command, {"state": name})


def line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def frame(chunks: Any, data: bytes = b"", packed: Any = 0) -> bytes:
    return line({"chunks": chunks, "packed": packed}) + data


CHUNK = ["a", 0, 1, 1, 0o777, HASH]


def bomb() -> bytes:
    packed = zlib.compress(bytes(200_000_000), 1)
    return frame([["a", 0, 1, 1, 0, HASH]], packed, len(packed))


FRAMES: dict[str, Callable[[], bytes]] = {
    "no head": lambda: b"nonsense\n",
    "deep head": lambda: b"[" * 100_000 + b"\n",
    "head of lists": lambda: b'{"packed": 0, "chunks": [' + b"[]," * 300_000 + b"[]]}\n",
    "head without end": lambda: b"x" * 3_000_000,
    "chunks is an object": lambda: frame({"a": 1}),
    "chunks is null": lambda: frame(None),
    "sizes are text": lambda: frame([["a", "0", "1", "1", "0", HASH]]),
    "sizes are fractions": lambda: frame([["a", 0, 1.0, 1, 0, HASH]], b"x"),
    "packed is text": lambda: frame([CHUNK], b"x", "1"),
    "packed is huge": lambda: frame([CHUNK], b"x", 1 << 60),
    "bomb": bomb,
    "too much": lambda: frame([["a", 0, 1 << 50, 1 << 50, 0, HASH]]),
    "another file": lambda: frame([["../evil", 0, 1, 1, 0o777, HASH]], b"x"),
    "wrong hash": lambda: frame([["a", 0, 1, 1, 0o777, "0" * 64]], b"x"),
    "hash is no text": lambda: frame([["a", 0, 1, 1, 0o777, 7]], b"x"),
    "cut off": lambda: frame([["a", 0, 1, 1, 0o777, HASH]]),
    "cannot be read": lambda: frame([["a", 0, 0, 1, 0, "!" + ESCAPES * 1000]]),
    "executable": lambda: frame([CHUNK], b"x"),
}

TEXTS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "null": lambda: b"null",
    "a list": lambda: b"[]",
    "an object": lambda: b"{}",
    "text": lambda: b'"x"',
    "a number": lambda: b"7",
    "no JSON": lambda: b"{ state",
    "escapes": ESCAPES.encode,
    "not UTF-8": lambda: b'{"state": "\xff\xfe"}',
    "zeros": lambda: b"\0" * 1000,
    "deep lists": lambda: b"[" * 200_000,
    "deep objects": lambda: b'{"exit":' * 50_000,
    "closed lists": lambda: b"[" * 900 + b"]" * 900,
    "many lists": lambda: b"[" + b"[]," * 8_000_000 + b"[]]",
    "many objects": lambda: b"[" + b"{}," * 8_000_000 + b"{}]",
    "many numbers": lambda: b"[" + b"1," * 8_000_000 + b"1]",
    "long text": lambda: b'"' + b"x" * 60_000_000 + b'"',
    "digits": lambda: b'{"exit": {"cause": "oom", "elapsed_s": ' + b"9" * 500_000 + b"}}",
}


Lie = Callable[[str], None]
LIES: dict[str, Lie] = {}


def answers(name: str, text: Callable[[str], bytes]) -> None:
    """A lie that is one line, whatever the command."""
    LIES[name] = lambda command: say((READY if command in STREAMS else b"") + text(command) + b"\n")


for _name, _text in TEXTS.items():
    answers(_name, lambda command, text=_text: text())  # type: ignore[misc]
for _name, _value in WRONG.items():
    answers(f"every key is {_name}", lambda command, value=_value: line(dict.fromkeys(KEYS, value)))  # type: ignore[misc]
    answers(f"every name is {_name}", lambda command, value=_value: line({"a": value, "b.ckpt": value}))  # type: ignore[misc]
for _name, _value in NAMES.items():
    answers(f"name: {_name}", lambda command, name=_value: line(shape(command, name)))  # type: ignore[misc]


def lie(name: str) -> Callable[[Lie], Lie]:
    def remember(work: Lie) -> Lie:
        LIES[name] = work
        return work

    return remember


@lie("many names")
def _many_names(command: str) -> None:
    say(READY if command in STREAMS else b"")
    one = b'{"sizes": {' if command == "send" else b"{"
    say(
        one
        + b",".join(b'"%x": 1' % n for n in range(490_000))
        + (b'}, "skipped": {}}\n' if command == "send" else b"}\n")
    )


@lie("petabytes")
def _petabytes(command: str) -> None:
    say(READY if command in STREAMS else b"")
    entry = {"bytes": 10**14, "sha256": [HASH] * 10, "mtime": 1e9}
    say(line({"sizes": {"a": 10**14}, "skipped": {}} if command == "send" else {"newest.ckpt": entry}))


@lie("one large file of chunks")
def _large(command: str) -> None:
    say(READY if command in STREAMS else b"")
    entry = {"bytes": 400_000 << 22, "sha256": ["0"] * 390_000, "mtime": 1e9}
    say(line({"sizes": {"a": 400_000 << 22}, "skipped": {}} if command == "send" else {"newest.ckpt": entry}))


@lie("a file of many numbers")
def _numbers(command: str) -> None:
    numbers = ",".join(["1.5"] * 2_300_000)
    say((READY if command in STREAMS else b"") + line({"text": f'{{"train_loss": [{numbers}]}}'}))


@lie("output without end")
def _endless(command: str) -> None:
    forever(b"x" * 65536)


@lie("lines without end")
def _lines(command: str) -> None:
    forever(b"\n" * 65536)


@lie("an answer without end")
def _endless_answer(command: str) -> None:
    say(READY if command in STREAMS else b"")
    say(b'{"log": "')
    forever(b"[]," * 20000)


@lie("stderr without end")
def _endless_errors(command: str) -> None:
    until = time.monotonic() + 3
    while time.monotonic() < until:
        sys.stderr.write("\x1b]52;c;cm0gLXJm\x07" * 4000)
    sys.exit(3)


@lie("fails with escapes")
def _fails(command: str) -> None:
    sys.stderr.write(f"one\n{ESCAPES}{'x' * 100_000}\n" * 20)
    sys.exit(1)


@lie("drips")
def _drips(command: str) -> None:
    forever(b"x", 0.2)


@lie("says nothing")
def _silent(command: str) -> None:
    time.sleep(60)


@lie("reads nothing and closes its output")
def _closes(command: str) -> None:
    say(READY)
    sys.stdout.close()
    time.sleep(60)


def frames(text: Callable[[], bytes]) -> Lie:
    def work(command: str) -> None:
        if command == "send":
            say(READY + line({"sizes": {"a": 1}, "skipped": {}}) + text())
            time.sleep(1)
        else:
            say((READY if command in STREAMS else b"") + line(shape(command, "a")))

    return work


for _name, _frame in FRAMES.items():
    LIES[f"frame: {_name}"] = frames(_frame)


@lie("frame: drips")
def _frame_drips(command: str) -> None:
    frames(bytes)(command)
    if command == "send":
        say(frame([CHUNK])[:10])
        forever(b" ", 0.2)


if __name__ == "__main__":
    said = next((word for word in sys.argv[2:] if word in COMMANDS), "")
    LIES[sys.argv[1]](said)
