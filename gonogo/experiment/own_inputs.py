"""What an experiment says of a folder that the config names as `inputs:`, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.quality.wording import listed

MOST_REASONS, MOST_EXAMPLES = 4, 3


def unusable(folder: Path, problems: Mapping[str, Sequence[str]], total: int, noun: str) -> UserError:
    """An error for files that cannot be used.

    Args:
        problems: reason → names of the files that have it.
        total: files that there are.
        noun: what they are, in the plural.
    """
    bad = sum(map(len, problems.values()))
    told = [
        f"{reason} ({listed_examples(names)})"
        for reason, names in sorted(problems.items(), key=lambda pair: -len(pair[1]))[:MOST_REASONS]
    ]
    more = [f"{len(problems) - MOST_REASONS} more reasons"] if len(problems) > MOST_REASONS else []
    return UserError(
        f"inputs: {folder}: {bad} of {total} {noun} cannot be used: {'; '.join([*told, *more])}. Correct or remove them"
    )


def too_few(folder: Path, there: int, index: int, noun: str) -> UserError:
    """An error for an item that was requested and that the folder does not have."""
    return UserError(
        f"inputs: {folder}: {there} {noun}; number {index + 1} was requested: set `dataset_items: {there}`"
    )


def listed_examples(names: Sequence[str]) -> str:
    """`5: a, b, c and 2 more`."""
    return f"{len(names):,}: {listed(names, most=MOST_EXAMPLES)}"
