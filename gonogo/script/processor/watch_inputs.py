"""What goes into the model, and what its outputs are compared with, over the training steps."""

from __future__ import annotations

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
    _main: int | None = None  # the module whose inputs are the data: the first that is called in a step

    def model_called(self, call: Call) -> None:
        """A call of a model with a graph."""
        if not self.session.watching:
            return
        if self._main is None:
            self._main = id(call.module)
        if id(call.module) != self._main:
            return
        tensors = [(name, tensor.detach()) for name, tensor in call.tensors()]
        tensors = [(name, tensor) for name, tensor in tensors if tensor.ndim and tensor.numel()]
        if not tensors:
            return
        self._current = tensors
        self.batch_size = tensors[0][1].shape[0]
        self.batches += 1
        if len(self.digests) < MOST_DIGESTS:
            self.digests.add(content_hash(*(_sampled(tensor) for _, tensor in tensors)))
        if self.batches <= BATCHES:
            for name, tensor in tensors:
                self._take(self.arguments, name, tensor)

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
        """Whether one column or channel of an input is the target, bit for bit."""
        for name, given in self._current:
            if given.ndim < 2 or len(given) != len(target) or not given.is_floating_point() or given.shape[1] < 2:
                continue
            wanted = target.to(given.dtype)
            wanted = wanted.reshape(len(target), -1) if given.ndim == 2 else wanted
            if given.ndim > 2:
                wanted = wanted[:, 0] if wanted.ndim == given.ndim and wanted.shape[1] == 1 else wanted
                if wanted.shape != given[:, 0].shape:
                    continue
                columns = [(index, given[:, index]) for index in range(min(given.shape[1], WIDEST_TARGET))]
            elif wanted.shape[1] == 1:
                columns = [(index, given[:, index : index + 1]) for index in range(given.shape[1])]
            else:
                continue
            if bool((wanted == wanted.reshape(-1)[0]).all()):
                continue
            self.compared += len(target)
            what = "column" if given.ndim == 2 else "channel"
            for index, column in columns:
                if torch.equal(column, wanted):
                    place = f"{what} {index} of `{name}`"
                    self.copied[place] = self.copied.get(place, 0) + len(target)

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
        if self.copied and self.compared:
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


def _sampled(tensor: Tensor) -> Tensor:
    """At most SAMPLED values, evenly from all of it."""
    flat = tensor.reshape(-1)
    return flat[:: max(1, flat.numel() // SAMPLED)][:SAMPLED] if flat.numel() > SAMPLED else flat


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
