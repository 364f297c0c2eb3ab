"""The largest batch that a card holds: the fake pass again, with the script's own argument changed."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, Field

from gonogo.base.errors import UserError
from gonogo.base.units import gigabytes
from gonogo.config.accelerator import Accelerator
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.cards import TRAINING, on
from gonogo.memory.estimate import MemoryEstimate, failed
from gonogo.memory.line import Line
from gonogo.memory.trace_result import Traced
from gonogo.script.card.facts import CardFacts
from gonogo.script.passes import run_pass
from gonogo.script.request import PassRequest, ScriptCommand
from gonogo.verdict import Check, Status

RUNS = 9  # at most
LARGEST = 1 << 20
FIRST = 8  # where the command does not say a value itself
STEPS = 2


class Tried(BaseModel):
    """One value and what it needs. `fits` is null where it could not be traced."""

    value: int
    needed_bytes: int | None
    fits: bool | None
    why: str = ""


class Varied(BaseModel):
    """What was found; `largest` is null where not even one fits, or none could be traced."""

    argument: str = Field(description="with {} in the place of the value")
    tried: list[Tried]
    largest: int | None
    proven: bool = Field(description="the next value was traced too, and does not fit")


def with_value(command: ScriptCommand, argument: str, value: int) -> ScriptCommand:
    """The command with the argument as often as it is there, at its end if it is not.

    Raises:
        UserError: there is no {} in the argument.
    """
    words = shlex.split(argument)
    places = [index for index, word in enumerate(words) if "{}" in word]
    if len(places) != 1:
        raise UserError(f"--vary {argument!r}: write {{}} where the number goes, as in '--batch-size {{}}'")
    made = [word.replace("{}", str(value)) for word in words]
    place = _place(command.arguments, words)
    if place is None:
        return command.model_copy(update={"arguments": [*command.arguments, *made]})
    arguments = [*command.arguments[:place], *made, *command.arguments[place + len(made) :]]
    return command.model_copy(update={"arguments": arguments})


def value_in(command: ScriptCommand, argument: str) -> int | None:
    """What the command says now."""
    words = shlex.split(argument)
    place = _place(command.arguments, words)
    if place is None:
        return None
    index = next(number for number, word in enumerate(words) if "{}" in word)
    before, _, after = words[index].partition("{}")
    text = command.arguments[place + index].removeprefix(before).removesuffix(after)
    return int(text) if text.isdigit() else None


def _place(arguments: list[str], words: list[str]) -> int | None:
    """Where the arguments hold these words, with any value for {}; the last place counts, as for argparse."""

    def same(word: str, pattern: str) -> bool:
        before, found, after = pattern.partition("{}")
        return word == pattern if not found else word.startswith(before) and word.endswith(after)

    for start in range(len(arguments) - len(words), -1, -1):
        if all(same(arguments[start + index], pattern) for index, pattern in enumerate(words)):
            return start
    return None


def search(argument: str, first: int, capacity: int, need: Callable[[int], MemoryEstimate]) -> Varied:
    """Try two values, the one that the line through them promises, and its neighbour; bisect where it does not hold.

    Args:
        need: what a value needs, and whether the card serves it.
    """
    tried: dict[int, Tried] = {}

    def fits(value: int) -> bool | None:
        if value not in tried:
            found = need(value)
            tried[value] = Tried(value=value, needed_bytes=found.needed_bytes, fits=found.fits, why=found.error)
        return tried[value].fits

    low, high = 0, LARGEST + 1  # fits; does not
    value = max(first, 1)
    while high - low > 1 and len(tried) < RUNS:
        answer = fits(value)
        if answer is None:
            break
        low, high = (max(low, value), high) if answer else (low, min(high, value))
        value = _next(tried, low, high, capacity)
    proven = high in tried or low == LARGEST
    return Varied(argument=argument, tried=list(tried.values()), largest=low or None, proven=proven and high - low <= 1)


def _next(tried: dict[int, Tried], low: int, high: int, capacity: int) -> int:
    known = sorted((one.value, one.needed_bytes) for one in tried.values() if one.needed_bytes is not None)
    if len(known) < 2:
        return min(2 * low, high - 1) if low else max(high // 2, 1)
    (a, of_a), (b, of_b) = known[-2:]
    slope = (of_b - of_a) / (b - a)
    promised = Line(fixed_bytes=of_a - slope * a, per_sample_bytes=slope).largest_within(capacity)
    inside = min(max(promised, low + 1), high - 1)
    if promised <= low and low in tried:  # the neighbour, to prove it
        return low + 1
    if inside in tried or (len(tried) > 4 and high <= LARGEST):
        return (low + high) // 2
    return inside


def largest_batch(
    argument: str, request: PassRequest, accelerator: Accelerator, work: Path, say: Callable[[str], None]
) -> Varied:
    """Run the passes one after the other.

    Args:
        request: of the pass as the command stands; only its training steps are traced here.
        work: an empty folder for the passes' files.

    Raises:
        UserError: there is no {} in the argument, or the card's memory is not known.
    """
    capacity = capacity_bytes(accelerator)
    if capacity is None:
        raise UserError(f"--vary: the memory of {accelerator.title} is not known")
    first = value_in(request.command, argument) or FIRST

    def need(value: int) -> MemoryEstimate:
        folder, scratch = work / str(value), work / f"{value}.scratch"
        folder.mkdir()
        scratch.mkdir()
        say(f"{argument.format(value)}")
        changed = {"command": with_value(request.command, argument, value), "scratch": scratch}
        passed = run_pass(
            request.model_copy(update={**changed, "steps": STEPS, "only_steps": True}), folder, lambda line: None
        )
        facts = passed.facts(CardFacts)
        if facts.steps < STEPS or not (folder / "trace.json").is_file():
            error = facts.error
            said = f"{error.name}: {error.message}" if error else facts.untraceable or f"it made {facts.steps} steps"
            return failed(TRAINING, said)
        return on(Traced.load(folder), accelerator)

    return search(argument, first, capacity, need)


def check_of(found: Varied, accelerator: Accelerator) -> Check:
    """The answer as a check, with what was tried."""
    title = f"Largest {found.argument} on {accelerator.title}"
    tried = "; ".join(
        f"{one.value}: {'not known' if one.needed_bytes is None else gigabytes(one.needed_bytes)}"
        f"{'' if one.fits else ' OOM' if one.fits is False else f' ({one.why})'}"
        for one in sorted(found.tried, key=lambda one: one.value)
    )
    if found.largest is None:
        known = any(one.fits is not None for one in found.tried)
        status = Status.NO_GO if known else Status.UNKNOWN
        return Check(id="largest_batch", title=title, status=status, why=f"none fits: {tried}" if known else tried)
    if found.largest >= LARGEST:
        return Check(id="largest_batch", title=title, value=found.largest, status=Status.GO,
                     why=f"{tried}; no larger one was tried")  # fmt: skip
    by = f"; {found.largest + 1} was traced and does not fit" if found.proven else f"; after {RUNS} runs"
    return Check(id="largest_batch", title=title, value=found.largest, status=Status.GO, why=f"{tried}{by}")
