"""One trace, all cards: what each card of the catalogue would say to the step, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from gonogo.base.shipped import own_or_shipped
from gonogo.base.units import dollars, gigabytes
from gonogo.config.accelerator import Accelerator, Architecture
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import load_accelerator, read_yaml
from gonogo.memory.capacity import capacity_bytes, is_tight
from gonogo.memory.devices import card_of
from gonogo.memory.estimate import MemoryEstimate, estimate
from gonogo.verdict import Check, Status

if TYPE_CHECKING:
    from gonogo.memory.trace_result import Traced

TRAINING = Training()  # what a trace of a whole script holds already
CHOSEN_BY_CARD = ("attention", "lstm", "gru", "rnn")  # operators that run as other kernels on other architectures


class CardNeed(BaseModel):
    """What one card would be asked for. No threshold is applied."""

    name: str
    title: str
    needed_bytes: int | None
    capacity_bytes: int | None
    fits: bool | None = None
    refused: str = Field("", description="the allocation that fails, with its operation and phase")
    usd_per_hour: tuple[float, float] | None = None
    other_kernels: bool = Field(False, description="traced for another architecture, whose kernels allocate otherwise")


class CardRow(CardNeed):
    """The same, weighed."""

    status: Status

    @property
    def word(self) -> str:
        words = {Status.GO: "fits", Status.CAUTION: "tight", Status.NO_GO: "OOM"}
        return words.get(self.status, "not known")

    @property
    def share(self) -> float | None:
        """Of the card's memory."""
        return self.needed_bytes / self.capacity_bytes if self.needed_bytes and self.capacity_bytes else None


def catalogue(folder: Path = Path("config")) -> dict[str, Accelerator]:
    """All cards, the user's own catalogue where there is one; this machine's processor is none."""
    names = read_yaml(own_or_shipped(folder / "accelerators.yaml", "config/accelerators.yaml"))
    found = {name: load_accelerator(folder, name) for name in names}
    return {name: card for name, card in found.items() if not card.is_this_machine}


def on(traced: Traced, card: Accelerator, training: Training = TRAINING) -> MemoryEstimate:
    """What the traced step needs on a card, and whether the allocator serves it there."""
    return estimate(traced, training, card)


def weigh(needed_bytes: int | None, fits: bool | None, capacity: int | None, gate: MemoryGate) -> Status:
    """As the memory gate weighs a plan; guesses are the judge's."""
    if needed_bytes is None or capacity is None or fits is None:
        return Status.UNKNOWN
    if not fits:
        return Status.NO_GO
    return Status.CAUTION if is_tight(needed_bytes, capacity, gate) else Status.GO


def needs(
    traced: Traced, traced_for: Architecture, cards: Mapping[str, Accelerator], training: Training = TRAINING
) -> list[CardNeed]:
    """What each card would be asked for, the one with the least memory first."""
    found = []
    chosen = traced.events is not None and any(word in op for op in traced.events.ops for word in CHOSEN_BY_CARD)
    for name, card in cards.items():
        needed = on(traced, card, training)
        mine, its = card_of(traced_for), card_of(card.architecture)
        other = (mine.flash, mine.efficient, mine.miopen) != (its.flash, its.efficient, its.miopen)
        need = CardNeed(
            name=name, title=card.title, needed_bytes=needed.needed_bytes, capacity_bytes=capacity_bytes(card),
            fits=needed.fits, refused=needed.refused, usd_per_hour=card.usd_per_hour, other_kernels=chosen and other,
        )  # fmt: skip
        found.append(need)
    return sorted(found, key=lambda need: need.capacity_bytes or 0)


def table(found: Sequence[CardNeed], gate: MemoryGate) -> list[CardRow]:
    """A row a card, in the same order."""
    return [
        CardRow(**need.model_dump(), status=weigh(need.needed_bytes, need.fits, need.capacity_bytes, gate))
        for need in found
    ]


def cheapest_first(rows: Sequence[CardRow]) -> list[CardRow]:
    """By price, then by memory; those without a price last."""
    return sorted(rows, key=lambda row: (row.usd_per_hour or (float("inf"),), row.capacity_bytes or 0))


def cheapest(rows: list[CardRow]) -> CardRow | None:
    """The card with the lowest price among those that the script fits with room to spare; else of the tight ones."""
    for status in (Status.GO, Status.CAUTION):
        priced = [row for row in rows if row.status is status and row.usd_per_hour]
        if priced:
            return min(priced, key=lambda row: row.usd_per_hour or (0, 0))
    return None


def described(row: CardRow) -> str:
    """One line: card, need, share, price."""
    price = "" if row.usd_per_hour is None else f", {' to '.join(map(dollars, row.usd_per_hour))} an hour"
    if row.needed_bytes is None or row.capacity_bytes is None:
        return f"{row.title}: {row.word}{price}"
    about = "about " if row.other_kernels else ""
    where = f" at {row.refused}" if row.refused else ""
    share = f"{100 * row.needed_bytes / row.capacity_bytes:.0f} %"
    return f"{row.title}: {about}{gigabytes(row.needed_bytes)}, {share}, {row.word}{where}{price}"


def cheapest_check(rows: list[CardRow]) -> Check:
    """Named by the gate beside the verdict about the card that was asked about."""
    title, best = "Cheapest card that it fits", cheapest(rows)
    if best is None:
        why = "no card of the catalogue has enough memory, of those with a price"
        return Check(id="cheapest_card", title=title, status=Status.CAUTION, why=why)
    return Check(id="cheapest_card", title=title, value=described(best), status=Status.GO)
