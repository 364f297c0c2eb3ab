"""The plans around the one asked for, each with its peak. No threshold is applied: the gate chooses among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import BaseModel, Field

from gonogo.base.mappings import deep_merged
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.experiment.plan_option import PlanOption
from gonogo.forecast.step_work import ScriptRun
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.cards import CardNeed
from gonogo.memory.estimate import MemoryEstimate
from gonogo.memory.line import Line
from gonogo.memory.options import cheapest_first, divisors, precision_options, with_micro_batch

# keys merged over the experiment's `settings`, nested as they are there
Options: TypeAlias = Mapping[str, Any]
Estimator: TypeAlias = Callable[[Training, Options], MemoryEstimate]
Beginner: TypeAlias = Callable[[Training, Options], None]

COMFORTABLE = 0.5  # of the card: below it no threshold stops the plan, and no other plan is traced
LARGEST = 8  # effective batches: no larger micro-batch is considered
NOTHING = 0.01  # of the need: a change that saves less saves nothing
TRACES = 8  # at most, in search of the largest micro-batch
FEWER = "fewer samples a step: the command takes no {accumulate_grad_batches}"
ACCUMULATION = "the same operations in more, smaller parts; the canary measures how much worse they fill the card"


class Candidate(BaseModel):
    """A plan that can be trained: the one asked for, or one with changes to it."""

    training: Training
    settings: dict[str, Any] = Field(default_factory=dict, description="merged over the experiment's `settings`")
    options: list[str] = Field(default_factory=list, description="names of the options that it uses")
    slowdown: float = Field(1.0, description="time of a step over that of the plan asked for")
    slowdown_sources: list[str] = Field(default_factory=list, description="where that is from")
    exact: bool = Field(True, description="the result is the same but for rounding")
    needed_bytes: int | None
    fits: bool | None
    estimate: MemoryEstimate | None = Field(None, description="null: interpolated between two traced sizes")

    @property
    def micro_batch_size(self) -> int:
        return self.training.micro_batch_size

    @property
    def guessed(self) -> list[str]:
        return self.estimate.guessed if self.estimate else []

    @property
    def held_bytes(self) -> int:
        return self.estimate.held_bytes if self.estimate else 0


class Explored(BaseModel):
    """The plan asked for and the ones around it, with what each needs."""

    capacity_bytes: int | None
    candidates: list[Candidate] = Field(
        description="the plan asked for, then changes to it, cheapest first, each needing less"
    )
    sizes: list[Candidate] = Field(
        default_factory=list, description="traced micro-batches without other changes, ascending"
    )
    line: Line | None = None
    largest_fitting: int | None = Field(None, description="largest micro-batch that the allocator serves on the card")
    search_ended: bool = Field(False, description="`largest_fitting` is where the search ended: the card takes more")
    accumulates: bool = Field(True, description="a smaller micro-batch is made up for by accumulation")
    batch_argument: str = Field(
        "micro_batch_size",
        description="what sets the batch: a key of `training`, or an argument of the script, {} in the place of its "
        "value; empty: nothing that is known",
    )
    useless: dict[str, int] = Field(default_factory=dict, description="option that saves nothing → what it does save")
    cards: list[CardNeed] = Field(
        default_factory=list, description="of the plan asked for, on each card of the catalogue"
    )
    run: ScriptRun | None = Field(None, description="of a script: what its step computes, and how many it makes")

    @property
    def asked(self) -> Candidate:
        return self.candidates[0]


class _Sizes:
    """One plan at any micro-batch, each traced once."""

    def __init__(self, trace: Estimator, plan: Candidate, accumulates: bool) -> None:
        self._trace, self.plan, self._accumulates = trace, plan, accumulates
        self.known: dict[int, Candidate] = {}

    def at(self, micro_batch_size: int) -> Candidate:
        if micro_batch_size not in self.known:
            changed = self._changed(micro_batch_size)
            found = self._trace(changed["training"], self.plan.settings)
            changed |= {"needed_bytes": found.needed_bytes, "fits": found.fits, "estimate": found}
            self.known[micro_batch_size] = self.plan.model_copy(update=changed)
        return self.known[micro_batch_size]

    def begin_smallest(self, begin: Beginner) -> None:
        begin(self._changed(self.parts()[-1])["training"], self.plan.settings)

    def line(self) -> Line | None:
        """Through the smallest and the largest size traced."""
        points = sorted(
            (size, candidate.needed_bytes)
            for size, candidate in self.known.items()
            if candidate.needed_bytes is not None
        )
        if len(points) < 2:
            return None
        (small, low), (large, high) = points[0], points[-1]
        slope = (high - low) / (large - small)
        return Line(fixed_bytes=low - slope * small, per_sample_bytes=slope)

    def interpolated(self, micro_batch_size: int, line: Line, room: int) -> Candidate:
        """The size as traced, or interpolated where it was not."""
        if micro_batch_size in self.known:
            return self.known[micro_batch_size]
        needed = line.at(micro_batch_size)
        changed = self._changed(micro_batch_size)
        return self.plan.model_copy(update=changed | {"needed_bytes": needed, "fits": needed <= room, "estimate": None})

    def _changed(self, micro_batch_size: int) -> dict[str, Any]:
        """The same effective batch in such parts, where it can be cut so and the program accumulates."""
        plan, training = self.plan, self.plan.training
        if self._accumulates and training.card_batch_size % micro_batch_size == 0:
            changed = with_micro_batch(training, micro_batch_size)
        else:
            changed = training.model_copy(update={"micro_batch_size": micro_batch_size})
        smaller = micro_batch_size < training.micro_batch_size
        source = [ACCUMULATION if self._accumulates else FEWER] if smaller else []
        return {
            "training": changed, "slowdown_sources": [*plan.slowdown_sources, *source],
            "exact": plan.exact and (self._accumulates or not smaller),
        }  # fmt: skip

    def parts(self) -> list[int]:
        """Micro-batches of the plan, largest first: it as it is, and smaller ones."""
        training = self.plan.training
        whole = training.card_batch_size if self._accumulates else training.micro_batch_size
        return [size for size in divisors(whole) if size <= training.micro_batch_size]


def explore(
    estimate: Estimator,
    training: Training,
    accelerator: Accelerator,
    options: Sequence[PlanOption] = (),
    *,
    accumulates: bool = True,
    precisions: bool = True,
    largest: int = LARGEST,
    begin: Beginner = lambda training, options: None,
) -> Explored:
    """Trace the plan, the sizes that show where the card is full, and cheaper plans where it is over half full.

    Args:
        accumulates, precisions: what trains takes the number of forward passes a step, and the precision.
        largest: effective batches, above which no micro-batch is considered.
        begin: told what `estimate` will most likely be asked, before it is.
    """
    capacity = capacity_bytes(accelerator)
    sizes = _Sizes(estimate, Candidate(training=training, needed_bytes=None, fits=None), accumulates)
    asked = sizes.at(training.micro_batch_size)
    if asked.needed_bytes is None or capacity is None:
        return Explored(capacity_bytes=capacity, candidates=[asked], accumulates=accumulates)
    halves = precision_options(training, accelerator) if precisions else []
    if asked.held_bytes > capacity:  # whatever the batch is
        lessening = [option for option in options if option.lessens_weights]
        tried = cheapest_first([*lessening, *halves]) if lessening else []
        lighter, useless = _with_options(estimate, sizes, capacity, tried, accumulates)
        if lighter and not any(plan.fits for plan in lighter) and lighter[-1].held_bytes <= capacity:
            smallest = _Sizes(estimate, lighter[-1], accumulates)
            remaining = cheapest_first([option for option in options if not option.lessens_weights])
            lighter += _with_options(estimate, smallest, capacity, remaining, accumulates)[0]
        alike = {"capacity_bytes": capacity, "largest_fitting": 0, "accumulates": accumulates, "useless": useless}
        return Explored(candidates=_falling([asked, *lighter]), **alike)
    crowded = asked.needed_bytes > COMFORTABLE * capacity
    tried = cheapest_first([*options, *halves]) if crowded else []
    plan = asked
    for option in tried:
        plan = _changed(plan, option)
        _Sizes(estimate, plan, accumulates).begin_smallest(begin)
    sizes.at(training.micro_batch_size // 2 or 2)
    line = sizes.line()
    limit = largest * training.card_batch_size
    most = _largest_fitting(sizes, line, capacity, limit) if line else None
    candidates, useless = [asked], {}
    if line is not None:
        smaller = sizes.parts()[1:]
        candidates += [sizes.at(size) if crowded else sizes.interpolated(size, line, capacity) for size in smaller]
        others, useless = _with_options(estimate, sizes, capacity, tried, accumulates)
        candidates += others
    return Explored(
        capacity_bytes=capacity,
        candidates=_falling(candidates),
        sizes=[sizes.known[size] for size in sorted(sizes.known)],
        line=line,
        largest_fitting=most,
        search_ended=most is not None and most >= limit,
        accumulates=accumulates,
        useless=useless,
    )


def _largest_fitting(sizes: _Sizes, line: Line, capacity: int, limit: int) -> int:
    """Where the line says, then its neighbour, then by bisection between a size that fits and one that does not."""
    low = max((size for size, candidate in sizes.known.items() if candidate.fits), default=0)
    high = min((size for size, candidate in sizes.known.items() if not candidate.fits), default=limit + 1)
    if high > limit and line.at(limit) <= COMFORTABLE * capacity:
        return limit
    guess = line.largest_within(capacity)
    for turn in range(TRACES):
        if high - low <= max(1, low // 100):
            break
        tried = min(max(guess, low + 1), high - 1)
        fits = bool(sizes.at(tried).fits)
        low, high = (tried, high) if fits else (low, tried)
        guess = tried + (1 if fits else -1) if turn == 0 else (low + high) // 2
    return low


def _with_options(
    estimate: Estimator, asked: _Sizes, capacity: int, options: Sequence[PlanOption], accumulates: bool
) -> tuple[list[Candidate], dict[str, int]]:
    """Options one after another, each added to those before it, at every size that the line allows; what saves nothing.

    Where not even the smallest size fits, no other is traced. An option that needs more than it saves is left out of
    those after it.
    """
    found: list[Candidate] = []
    useless: dict[str, int] = {}
    before, plan = asked, asked.plan
    for option in options:
        changed = _changed(plan, option)
        sizes = _Sizes(estimate, changed, accumulates)
        parts = sizes.parts()
        if sizes.at(parts[-1]).fits:
            sizes.at(parts[0])
        saved, needed = _saved(before, sizes)
        if saved is not None and saved < NOTHING * needed:
            useless[option.name] = saved
        if saved is not None and saved < -NOTHING * needed:
            continue
        plan, before = changed, sizes
        line = sizes.line()
        if line is None:
            found += [candidate for candidate in sizes.known.values() if candidate.needed_bytes is not None]
            continue
        sizes.at(next((size for size in parts if line.at(size) <= capacity), parts[-1]))
        found += [sizes.interpolated(size, line, capacity) for size in parts]
    return found, useless


def _saved(before: _Sizes, after: _Sizes) -> tuple[int | None, int]:
    """The most that a change saves at a size that was traced with and without it, and what is needed there without."""
    pairs = [
        (before.known[size].needed_bytes, candidate.needed_bytes)
        for size, candidate in after.known.items()
        if size in before.known
    ]
    known = [(old - new, old) for old, new in pairs if old is not None and new is not None]
    return max(known, default=(None, 0))


def _changed(plan: Candidate, option: PlanOption) -> Candidate:
    training = Training.model_validate({**plan.training.model_dump(), **option.training})
    return plan.model_copy(
        update={
            "training": training,
            "settings": deep_merged(plan.settings, option.settings),
            "options": [*plan.options, option.name],
            "slowdown": plan.slowdown * option.slowdown,
            "slowdown_sources": [*plan.slowdown_sources, f"{option.name}: {option.slowdown_source}"],
            "exact": plan.exact and option.exact,
        }
    )


def _falling(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that need less than every one before them."""
    kept = [candidates[0]]
    for candidate in candidates[1:]:
        lowest = kept[-1].needed_bytes
        if candidate.needed_bytes is not None and lowest is not None and candidate.needed_bytes < lowest:
            kept.append(candidate)
    return kept
