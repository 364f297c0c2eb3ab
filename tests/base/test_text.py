"""Text of strangers cannot draw on a terminal, and JSON of strangers cannot fill the memory."""

from __future__ import annotations

import json
import time

import pytest

from gonogo.base.bounded_json import SMALL, JsonBounds, parsed
from gonogo.base.known_errors import known_error
from gonogo.base.text import clean, shown
from gonogo.report.log_flags import flag_of

HOSTILE = [
    "\x1b]52;c;cm0gLXJm\x07", "\x1b]0;owned\x1b\\", "\x1b[2J\x1b[1;1H", "\x1bPq#0\x1b\\", "\x9b2J", "\r", "\x08\x08",
    "\x07",    "\u202eevil\u202c", "\u2066x\u2069", "\u200b", "\ufeff", "\x00", "\ud800", "\x85", "\u2028",
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_no_escape_and_no_hidden_mark_is_shown(hostile: str) -> None:
    for made in (clean, shown):
        text = made(f"before{hostile}after")
        assert text.isprintable() and text.startswith("before") and text.endswith("after")
        text.encode()


def test_lines_and_indents_stay() -> None:
    assert shown("error:\n    é \x1b[31mred\x1b[0m\tx\n") == "error:\n    é red\tx\n"
    assert clean(" a\n  b ") == "a b"


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 100_000 + b"[]]",
        b"[" + b"1," * 60_000 + b"1]",
        b'"' + b"x" * (1 << 20) + b'"',
        b"[" * 100_000,
        b"[" * 400 + b"]" * 400,
        b'{"a":' * 20 + b"1" + b"}" * 20,
        b"1" * 5000,
        '"é"'.encode(),
        b"\xff",
        b"",
    ],
    ids=["lists", "numbers", "string", "deep", "nested", "objects", "digits", "not ascii", "not text", "nothing"],
)
def test_json_beyond_its_bounds_is_refused_in_words(text: bytes) -> None:
    with pytest.raises(ValueError) as refused:
        parsed(text)
    assert len(str(refused.value)) < 200


def test_json_within_its_bounds_is_read() -> None:
    value = {"files": {"a, b": ["0" * 64], "é": []}, "n": 1.5, "deep": [[[[1]]]]}
    assert parsed(json.dumps(value).encode()) == value
    assert parsed(b"[1,2]", JsonBounds(5, 2)) == [1, 2] and SMALL.values >= 10_000


@pytest.mark.parametrize("word", ["hipBLASLt", "dataloader", "No such file or directory: ", "training ended: "])
def test_a_long_line_takes_no_time(word: str) -> None:
    began = time.perf_counter()
    assert known_error(word * 100_000) is None or word.startswith("No such")
    flag_of(word * 100_000)
    assert time.perf_counter() - began < 5, "a pattern took the square of the line"


def test_both_ends_of_a_long_line_are_read() -> None:
    assert known_error("x" * 100_000 + " CUDA out of memory") and known_error("CUDA out of memory " + "x" * 100_000)
