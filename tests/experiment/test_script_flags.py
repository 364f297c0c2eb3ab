"""A wrong flag of the training command is named before data is made; what the source does not tell is not guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gonogo.experiment.script_flags import unknown_flags

PLAIN = """
import argparse
parser = argparse.ArgumentParser(description="train")
parser.add_argument("data", nargs="+")
parser.add_argument("--learning-rate", "--lr", type=float)
group = parser.add_argument_group("model")
group.add_argument("-b", "--batch-size", type=int)
parser.add_argument("--amp", action=argparse.BooleanOptionalAction)
args = parser.parse_args()
"""


@pytest.fixture
def flags(tmp_path: Path) -> Callable[[str, str], list[str] | None]:
    def asked(source: str, words: str) -> list[str] | None:
        (tmp_path / "train.py").write_text(source)
        return unknown_flags(f"torchrun --nproc-per-node 2 train.py {words}", tmp_path)

    return asked


@pytest.mark.parametrize(
    "words", ["{data} --lr {learning_rate}", "--learn=0.1 -b32 --no-amp", "-b -1 --lr -.5 -- --anything", "-h"]
)
def test_flags_that_the_script_takes_pass(flags: Callable[[str, str], list[str] | None], words: str) -> None:
    assert flags(PLAIN, words) == []


def test_a_flag_that_it_does_not_take_is_named_with_the_nearest(flags: Callable[[str, str], list[str] | None]) -> None:
    found = ["train.py takes no --batchsize; it takes --batch-size", "train.py takes no -x"]
    assert flags(PLAIN, "--batchsize 4 -x") == found
    strict = PLAIN.replace('description="train"', "allow_abbrev=False")
    assert flags(strict, "--batch 4") == ["train.py takes no --batch; it takes --batch-size"]


@pytest.mark.parametrize(
    "change",
    [
        ("args = parser.parse_args()", "args, rest = parser.parse_known_args()"),
        ("args = parser.parse_args()", "add_more(parser)\nargs = parser.parse_args()"),
        ("args = parser.parse_args()", "args = parser.parse_args(words)"),
        ('description="train"', "parents=[other]"),
        ('"--amp"', "NAME"),
        ('nargs="+"', "nargs=argparse.REMAINDER"),
        ("import argparse", "import argparse, fire"),
    ],
)
def test_where_the_source_leaves_a_doubt_nothing_is_said(
    flags: Callable[[str, str], list[str] | None], change: tuple[str, str]
) -> None:
    doubtful = PLAIN.replace(*change) if change[1] != "import argparse, fire" else "import fire\nfire.Fire(main)\n"
    assert flags(doubtful, "--what 1") is None
