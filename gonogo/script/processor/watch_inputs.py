"""What goes into the model, and what its outputs are compared with, over the training steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gonogo.learning.dependence import FEWEST, independence_p, masks_independence_p
from gonogo.learning.features import content_hash, row_hashes, spectra, vectors
from gonogo.learning.loss_calls import LossCall
from gonogo.learning.masks import masked_pictures
from gonogo.learning.token_shift import TokenShift
from gonogo.script.processor.facts import DataFacts, TensorFacts
from gonogo.script.processor.session import Session
from gonogo.script.processor.watch_modules import Call

MOST_PAIRS = 512  # samples kept to ask whether targets depend on inputs
SAMPLED = 1 << 16  # values of a batch for its digest and statistics
MOST_DIGESTS = 4096
WIDEST_TARGET = 64
FEWEST_COMPARED = 64  # targets: of two classes so many stand at one place of an input by no chance
MOST_PLACES = 64  # of one batch
SAME = 1e-8  # 1 − squared correlation; of a slow signal and its next value 1e-6
BATCHES = 64  # whose statistics are taken


@dataclass
class InputWatch:
    session: Session
    arguments: dict[str, TensorFacts] = field(default_factory=dict)
    targets: dict[str, TensorFacts] = field(default_factory=dict)
    batches: int = 0
    digests: set[bytes] = field(default_factory=set)
    copied: dict[str, int] = field(default_factory=dict)
    compared: int = 0
    batch_size: int | None = None
    _samples: dict[str, set[bytes]] = field(default_factory=dict)
    _current: list[tuple[str, Tensor]] = field(default_factory=list)
    _pairs: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    _masked: list[tuple[Tensor, Tensor]] = field(default_factory=list)  # the same, of masks of pixels
    _paired: int = 0
    from_loader: Callable[[Tensor], bool] = lambda tensor: False  # whether it is of the batch that was read last
    _main: int | None = None  # the module whose inputs are the data
    _main_gets_batch: bool = False

    def model_called(self, call: Call) -> None:
        """A call of a model with a graph."""
        if not self.session.watching:
            return
        tensors = [(name, tensor.detach()) for name, tensor in call.tensors()]
        tensors = [(name, tensor) for name, tensor in tensors if tensor.ndim and tensor.numel()]
        if not tensors or not self._is_data(call, tensors):
            return
        self._current = tensors
        self.batch_size = tensors[0][1].shape[0]
        self.batches += 1
        if len(self.digests) < MOST_DIGESTS:
            self.digests.add(content_hash(*(_sampled(tensor) for _, tensor in tensors)))
        if self.batches <= BATCHES:
            for name, tensor in tensors:
                self._take(self.arguments, name, tensor)

    def _is_data(self, call: Call, tensors: list[tuple[str, Tensor]]) -> bool:
        """Of the first module that is called in a step; of another one where that gets noise, and this the batch as it
        was read, as a discriminator does: then its calls with what was generated do not count."""
        got_batch = any(t.is_floating_point() and t.ndim > 1 and self.from_loader(t) for _, t in tensors)
        if self._main is None or (got_batch and not self._main_gets_batch):
            self._main, self._main_gets_batch, self.batches = id(call.module), got_batch, 0
            for kept in (self.arguments, self.digests, self._samples):
                kept.clear()
        return id(call.module) == self._main and got_batch >= self._main_gets_batch

    def _take(self, into: dict[str, TensorFacts], name: str, tensor: Tensor) -> None:
        facts = into.setdefault(name, TensorFacts(name=name, dtype=_type(tensor), shape=list(tensor.shape), whole=True))
        facts.batches += 1
        facts.samples += len(tensor)
        samples = self._samples.setdefault(f"{id(into)} {name}", set())
        rows = tensor.reshape(len(tensor), -1)
        step = max(1, rows.shape[1] // SAMPLED)
        samples.update(row_hashes(rows[:256, ::step][:, :SAMPLED]))
        facts.distinct_samples = len(samples) if len(rows) <= 256 else facts.samples
        if tensor.dtype == torch.bool or tensor.is_complex():
            return
        values = _sampled(tensor).float()
        if tensor.is_floating_point() and not bool(torch.isfinite(values).all()):
            facts.nan_batches += 1
            return
        low, high = float(values.min()), float(values.max())
        facts.minimum = low if facts.minimum is None else min(facts.minimum, low)
        facts.maximum = high if facts.maximum is None else max(facts.maximum, high)
        facts.whole &= bool((values == values.round()).all())
        facts.constant_batches += low == high and bool((tensor == tensor.reshape(-1)[0]).all())
        if rows.shape[1] > 1:
            facts.constant_samples += int((rows == rows[:, :1]).all(1).sum())
        facts.same_samples += len(rows) > 1 and bool((rows == rows[:1]).all())

    def compared_with(self, call: LossCall, scores: Tensor, target: Tensor) -> None:
        """A loss function was called with these targets."""
        if not self._current or not target.ndim or not target.numel():
            return
        if call.calls <= BATCHES:
            self._take(self.targets, f"target of {call.function}", target)
        self._shifted(call, target)
        if call.calls <= BATCHES:
            self._copied(target)
        self._pair(target)

    def _shifted(self, call: LossCall, target: Tensor) -> None:
        """Token by token: is the target the token itself, or the next one?"""
        tokens = next((t for _, t in self._current if t.ndim == 2 and not t.is_floating_point()), None)
        if tokens is not None:
            shift = TokenShift(call.target_is_input, call.target_is_next)
            shift.add(tokens, target)
            call.target_is_input, call.target_is_next = shift.itself, shift.following

    def _copied(self, target: Tensor) -> None:
        """Whether one number or channel of an input is the target, scaled or not."""
        for name, given in self._current:
            if given.ndim < 2 or len(given) != len(target) or not given.is_floating_point() or given[0].numel() < 2:
                continue
            wanted = target.to(given.dtype)
            if bool((wanted == wanted.reshape(-1)[0]).all()):
                continue
            if wanted.numel() == len(wanted):
                places = _where_it_stands(given, wanted)
            else:
                wanted = wanted[:, 0] if wanted.ndim == given.ndim and wanted.shape[1] == 1 else wanted
                if given.ndim == 2 or wanted.shape != given[:, 0].shape:
                    continue
                same = _same_up_to_scale(given[:, :WIDEST_TARGET].transpose(0, 1).flatten(1).t(), wanted.reshape(-1))
                places = [f"channel {index}" for index in same.nonzero().flatten().tolist()] * (given.shape[1] > 1)
            self.compared += len(target)
            for place in places:
                self.copied[f"{place} of `{name}`"] = self.copied.get(f"{place} of `{name}`", 0) + len(target)

    def _pair(self, target: Tensor) -> None:
        """Inputs beside targets, as short vectors."""
        if self._paired >= MOST_PAIRS:
            return
        name_given = next(((n, t) for n, t in self._current if t.is_floating_point() and t.ndim > 1), None)
        if name_given is None or len(name_given[1]) != len(target):
            return
        given = name_given[1]
        masked = masked_pictures(given, target)
        if masked is not None:
            self._masked.append(masked)
            self._paired += len(target)
            return
        if not target.is_floating_point():
            if target.ndim > 1 or int(target.max()) >= WIDEST_TARGET or int(target.min()) < 0:
                return
            wanted = torch.nn.functional.one_hot(target.long(), WIDEST_TARGET).float()
        else:
            wanted = target.reshape(len(target), -1)
            if wanted.shape[1] > WIDEST_TARGET:
                return
        self._pairs.append((given.clone(), wanted.clone()))
        self._paired += len(target)

    def fill(self, data: DataFacts) -> None:
        data.inputs, data.targets = list(self.arguments.values()), list(self.targets.values())
        data.batches, data.distinct_batches = self.batches, len(self.digests)
        if self.copied and self.compared >= FEWEST_COMPARED:
            place, count = max(self.copied.items(), key=lambda item: item[1])
            data.copied_target, data.copied_share = place, count / self.compared
        self.session.guard("pairing", self._independence, data)

    def _independence(self, data: DataFacts) -> None:
        """Of the first epoch: later views of one picture, cut or turned otherwise, have its target again."""
        once = next((one.items for one in data.loaders if one.role == "train" and one.items), None)
        if self._masked and len({tuple(given.shape[1:]) for given, _ in self._masked}) == 1:
            pictures, masks = (torch.cat(part)[:once] for part in zip(*self._masked, strict=True))
            finite = torch.isfinite(pictures.flatten(1)).all(1)
            _, first = np.unique([content_hash(one).hex() for one in pictures], return_index=True)
            kept = [index for index in first.tolist() if finite[index]]
            data.pairs, data.masks = len(kept), True
            data.independence_p = masks_independence_p(pictures[kept].numpy(), masks[kept].numpy())
            return
        shapes = {(tuple(given.shape[1:]), tuple(wanted.shape[1:])) for given, wanted in self._pairs}
        if len(shapes) != 1:
            return
        inputs, targets = (torch.cat(part)[:once] for part in zip(*self._pairs, strict=True))
        finite = torch.isfinite(inputs.reshape(len(inputs), -1)).all(1) & torch.isfinite(targets).all(1)
        inputs, targets = inputs[finite], targets[finite]
        labels = [content_hash(one) for one in inputs]
        data.pairs = len(set(labels))
        if data.pairs < FEWEST:
            return
        with torch.random.fork_rng(devices=[]):
            waves = spectra(inputs)
            views = [vectors(inputs).numpy().astype(np.float64)]
            views += [] if waves is None else [waves.numpy().astype(np.float64)]
            data.independence_p = independence_p(views, targets.numpy().astype(np.float64), labels)


def _where_it_stands(given: Tensor, wanted: Tensor) -> list[str]:
    """Places of inputs (N, …) that hold the number of targets (N,), scaled or not: `column 3`, `place 47, 3`."""
    same = _same_up_to_scale(given.flatten(1), wanted.reshape(-1)).reshape(given.shape[1:])
    found = same.nonzero()[:MOST_PLACES].tolist()
    what = "column" if given.ndim == 2 else "place"
    return [f"{what} {', '.join(map(str, place))}" for place in found]


def _same_up_to_scale(columns: Tensor, wanted: Tensor) -> Tensor:
    """Which columns of (N, D) are `wanted` (N,), times a number, plus a number: by their correlation.

    Very wide ones are compared to the bit.
    """
    if columns.shape[1] > SAMPLED:
        return (columns == wanted[:, None]).all(0)
    columns, wanted = columns.double(), wanted.double()
    columns, wanted = columns - columns.mean(0), wanted - wanted.mean()
    sizes = columns.square().sum(0) * wanted.square().sum()
    return (sizes > 0) & ((wanted @ columns).square() >= (1 - SAME) * sizes)


def _sampled(tensor: Tensor) -> Tensor:
    """At most SAMPLED values, evenly from all of it."""
    flat = tensor.reshape(-1)
    return flat[:: max(1, flat.numel() // SAMPLED)][:SAMPLED] if flat.numel() > SAMPLED else flat


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
