"""The data as the model gets it: both sides of the split, read once, before any training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gonogo.base.errors import UserError
from gonogo.experiment.measure import Classes
from gonogo.learning.batches import KEPT_BYTES, bytes_of, same_chance, spread_out
from gonogo.learning.dependence import independence_p, masks_independence_p
from gonogo.learning.emptiness import Emptiness
from gonogo.learning.features import autocorrelation, content_hash, is_grid, spectra, turned, vectors
from gonogo.learning.given_away import GivenAway
from gonogo.learning.leakage import Shared, Side, shared
from gonogo.learning.masks import masked_pictures
from gonogo.learning.measurements import DataSummary
from gonogo.learning.sample_names import NamedSamples
from gonogo.learning.token_shift import TokenShift

if TYPE_CHECKING:
    from gonogo.experiment.lightning import LightningExperiment

READ_SAMPLES = 2048  # of each side, for copies and statistics
MOST_MASKED = 256  # pictures with a mask, whose pairing is asked
HELD_SAMPLES = 256  # kept, to be evaluated on
FEWEST_HELD_OUT = 8  # samples, before identical targets mean anything
SAME_RANGE = 1.5  # inputs that go above this where the targets stay below 1 are in other units


@dataclass
class Values:
    """Running statistics of one kind of tensor."""

    count: int = 0
    bad: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    lags: list[float] = field(default_factory=list)
    two_valued: bool = True
    sample_shape: tuple[int, ...] = ()
    grid: bool = False
    first_sample: Tensor | None = None
    varies: bool = False

    def add(self, values: Tensor) -> None:
        values = values.detach().float().cpu()
        finite = torch.isfinite(values)
        self.bad += int((~finite.flatten(1).all(1)).sum()) if values.ndim > 1 else int((~finite).sum())
        good = values[finite].double()
        if len(good):
            self.count += len(good)
            self.total += float(good.sum())
            self.squares += float(good.square().sum())
            self.low, self.high = min(self.low, float(good.min())), max(self.high, float(good.max()))
            self.two_valued = self.two_valued and bool(((good == self.low) | (good == self.high)).all())
        self.sample_shape, self.grid = tuple(values.shape[1:]), is_grid(values)
        lag = autocorrelation(values)
        self.lags += [] if lag is None else [lag]
        if self.first_sample is None:
            self.first_sample = values[0].clone()
        self.varies = self.varies or bool((values != self.first_sample).any())

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    @property
    def spread(self) -> float | None:
        mean = self.mean
        return None if mean is None else max(self.squares / self.count - mean**2, 0.0) ** 0.5

    @property
    def lag(self) -> float | None:
        return float(np.median(self.lags)) if self.lags else None


@dataclass
class SampledData:
    """What was read, and what is kept of it.

    Attributes:
        summary: for the measurements.
        mean: the training targets' mean, as the experiment's measure takes it: shaped like one target, or classes'
            frequencies.
        seen, held_out: batches of the two sides, spread over them, HELD_SAMPLES at most.
    """

    summary: DataSummary
    mean: Tensor
    seen: list[Any]
    held_out: list[Any]


def sample_data(experiment: LightningExperiment, data: Any, held_samples: int = HELD_SAMPLES) -> SampledData:
    """Read up to READ_SAMPLES samples of each side from the real dataloaders."""
    with same_chance(torch.device("cpu")):
        train, seen, inputs, targets, mean = _side(experiment, data.train_dataloader(), held_samples)
        held, held_out, held_inputs, held_targets, _ = _side(
            experiment, data.val_dataloader(), held_samples, held_out=True
        )
    measure = experiment.measure()
    both = shared(train.side, held.side)
    column = train.given.column()
    comparable, offset = _comparable(inputs, targets) if experiment.measure().quantities else (False, 0.0)
    summary = DataSummary(
        train_samples=len(train.side),
        held_out_samples=len(held.side),
        read_all=train.side.complete and held.side.complete,
        bad_inputs=inputs.bad + held_inputs.bad,
        bad_targets=targets.bad + held_targets.bad,
        input_mean=inputs.mean,
        inputs_vary=inputs.varies,
        targets_vary=targets.varies,
        comparable=comparable,
        zero=offset,
        input_autocorrelation=inputs.lag,
        target_autocorrelation=targets.lag if targets.grid else None,
        independence_p=None if inputs.bad or targets.bad or not measure.paired else train.independence_p(),
        exact_copies=both.exact,
        near_copies=both.near,
        shared_groups=both.groups[:5],
        shared_group_count=len(both.groups),
        target_in_input=train.given.share,
        telling_column=None if column is None else column[0],
        telling_correlation=None if column is None else column[1],
        copied_targets=_copied(train.given, held.given),
        overlapping=train.given.shares_recording_with(held.given),
        recurring=train.side.recurring(),
        distinct_samples=len(set(train.side.hashes)) / max(1, len(train.side)),
        held_out_targets_vary=held_targets.varies or len(held.side) < FEWEST_HELD_OUT,
        spread_of_held_out=_ratio(held_inputs.spread, inputs.spread),
        shift_of_held_out=_shift(held_inputs, inputs),
        quantities=measure.quantities,
        paired=measure.paired,
        classes=measure.count if isinstance(measure, Classes) else None,
        masks=bool(train.masked),
        blank_samples=len(train.empty.blank),
        unsupervised_samples=len(train.empty.unsupervised),
        unsupervised_held_out=len(held.empty.unsupervised),
        ignored_values=[value for value, _ in (train.empty.ignored + held.empty.ignored).most_common(3)],
        outside_classes=[value for value, _ in (train.empty.strange + held.empty.strange).most_common(5)],
        outside_samples=len(train.empty.outside) + len(held.empty.outside),
        target_is_input=train.shift.itself,
        target_is_next=train.shift.following,
        examples=_examples(train, held, both),
    )
    return SampledData(summary, mean, seen, held_out)


def _examples(train: _Read, held: _Read, both: Shared) -> dict[str, list[str]]:
    """Two of what was counted, of the training side where it has any."""
    found = {
        name: train.names.examples(getattr(train.empty, name))
        or [f"{one} (held out)" for one in held.names.examples(getattr(held.empty, name))]
        for name in ("blank", "unsupervised", "outside")
    }
    found["bad"] = train.names.examples(train.bad) or [f"{one} (held out)" for one in held.names.examples(held.bad)]
    pairs = [(held.names.examples([one]), train.names.examples([other])) for one, other in both.pairs]
    found["leaked"] = [f"held-out {one[0]} = training {other[0]}" for one, other in pairs]
    return {name: texts for name, texts in found.items() if texts}


def _copied(train: GivenAway, held_out: GivenAway) -> int:
    known = set(filter(None, train.target_hashes))
    return sum(found in known for found in held_out.target_hashes if found)


def _shift(held_out: Values, train: Values) -> float | None:
    if held_out.mean is None or train.mean is None or not train.spread:
        return None
    return abs(held_out.mean - train.mean) / train.spread


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


@dataclass
class _Read:
    names: NamedSamples
    empty: Emptiness
    held_out: bool = False
    shift: TokenShift = field(default_factory=TokenShift)
    bad: list[int] = field(default_factory=list)  # samples with NaN or infinity
    masked: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # pictures, and what of them is each class
    side: Side = field(default_factory=Side)
    given: GivenAway = field(default_factory=GivenAway)
    input_hashes: list[bytes] = field(default_factory=list)
    input_spectra: list[np.ndarray] = field(default_factory=list)  # a row for each sample, where inputs are signals

    def look(self, inputs: Tensor, targets: Tensor) -> None:
        """A batch as the experiment gives it, before `add`."""
        self.empty.add(inputs, targets)
        self.shift.add(inputs, targets)
        for values in (inputs, targets):
            if values.is_floating_point() and not bool(torch.isfinite(values).all()):
                rows = ~torch.isfinite(values.reshape(len(values), -1)).all(1)
                self.bad += [len(self.side) + index for index in torch.nonzero(rows).flatten().tolist()]
        asked = not self.empty.measure.quantities and len(self.side) < MOST_MASKED
        if asked and (pair := masked_pictures(inputs, targets)) is not None:
            self.masked.append(pair)

    def add(self, inputs: Tensor, targets: Tensor, groups: Iterable[str] | None) -> None:
        xs, ys = vectors(inputs), vectors(targets)
        side = self.side
        side.hashes += [content_hash(x, y) for x, y in zip(inputs, targets, strict=True)]
        side.vectors += list(torch.cat([xs, ys], 1).numpy())
        if self.held_out:
            ways = turned(inputs, targets)
            side.turned = side.turned or [[] for _ in ways]
            for rows, way in zip(side.turned, ways, strict=True):
                rows += list(way.numpy())
        side.input_columns, side.grids = xs.shape[1], (is_grid(inputs), is_grid(targets))
        side.groups |= set(groups or ())
        side.numbers = (inputs.numel() + targets.numel()) // max(1, len(targets))
        side.whole_numbers = side.whole_numbers and all(bool((t == t.round()).all()) for t in (inputs, targets))
        self.input_hashes += [content_hash(x) for x in inputs]
        rhythms = spectra(inputs)
        self.input_spectra += [] if rhythms is None else list(rhythms.numpy())

    def independence_p(self) -> float | None:
        if self.masked and len({tuple(pictures.shape[1:]) for pictures, _ in self.masked}) == 1:
            pictures, masks = (torch.cat(part).numpy() for part in zip(*self.masked, strict=True))
            return masks_independence_p(pictures, masks)
        rows = np.stack(self.side.vectors)
        split = self.side.input_columns
        views = [rows[:, :split]]
        if len(self.input_spectra) == len(rows):
            views.append(np.stack(self.input_spectra))
        return independence_p(views, rows[:, split:], self.input_hashes)


def _side(
    experiment: LightningExperiment, loader: Any, held_samples: int, *, held_out: bool = False
) -> tuple[_Read, list[Any], Values, Values, Tensor]:
    measure = experiment.measure()
    read, inputs, targets = _Read(NamedSamples(loader), Emptiness(measure), held_out), Values(), Values()
    kept: list[Any] = []
    sums: tuple[Tensor, Tensor] | None = None
    kept_bytes = kept_samples = 0
    chosen = None
    for batch in read.names.loader:
        x, y = experiment.inputs(batch), experiment.targets(batch)
        chosen = chosen or spread_out(loader, held_samples, len(y))
        if len(read.side) >= READ_SAMPLES:
            read.side.complete = False
            break
        inputs.add(x)
        targets.add(y)
        read.look(x.detach().cpu(), y.detach().cpu())
        read.given.add(x, y, [content_hash(target) for target in y])
        read.add(x.detach().cpu(), measure.as_vectors(y.detach().cpu()), experiment.groups(batch))
        total, count = measure.total(y)
        sums = (total, count) if sums is None else (sums[0] + total, sums[1] + count)
        size = bytes_of(batch)
        if (next(chosen) and kept_samples < held_samples and kept_bytes + size <= KEPT_BYTES) or not kept:
            kept.append(batch)
            kept_samples, kept_bytes = kept_samples + len(y), kept_bytes + size
    if sums is None:
        raise UserError(f"{experiment.name}: a dataloader gave no batch")
    return read, kept, inputs, targets, measure.mean(*sums)


def _comparable(inputs: Values, targets: Values) -> tuple[bool, float]:
    """Whether the mean of the targets can be held against that of the inputs, and the value that black has in both.

    They must be the same kind of quantity: of one shape or both pictures, in one range, and not a mask. Where values
    are negative, as in pictures normalised to [-1, 1], black is the lowest value of the two.
    """
    if targets.two_valued or inputs.mean is None or targets.mean is None:
        return False, 0.0
    if not (inputs.sample_shape == targets.sample_shape or (inputs.grid and targets.grid)):
        return False, 0.0
    low = min(inputs.low, targets.low)
    if low >= 0:
        return not (inputs.high > SAME_RANGE and targets.high <= 1), 0.0
    pictures = inputs.grid and inputs.sample_shape == targets.sample_shape and (inputs.lag or 0) >= 0.5
    return pictures, low
