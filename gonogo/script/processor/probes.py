"""The model called again, after the steps: does each input matter, do earlier outputs see later tokens?"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gonogo.script.processor.facts import ProbeFacts, Reach
from gonogo.script.processor.names import tensors_of
from gonogo.script.processor.session import Session
from gonogo.script.processor.watch_modules import Call

MOST_MODELS = 3
Named = tuple[str, Tensor]  # an argument of the model


class RandomState:
    """Of Python, NumPy and torch, to be set again."""

    def __init__(self) -> None:
        self.python, self.numpy, self.torch = random.getstate(), np.random.get_state(), torch.get_rng_state()

    def restore(self) -> None:
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)


@contextmanager
def undisturbed(session: Session, module: nn.Module) -> Iterator[None]:
    """Within, the module is in eval mode and nobody watches; afterwards all is as it was."""
    state = RandomState()
    modes = {inner: inner.training for inner in module.modules()}
    buffers = {name: (buffer.clone(), buffer._version) for name, buffer in module.named_buffers()}
    session.in_probe = True
    try:
        module.eval()
        with torch.no_grad():
            yield
            for name, buffer in module.named_buffers():
                if name in buffers and buffer._version != buffers[name][1]:
                    buffer.copy_(buffers[name][0])
    finally:
        for inner, mode in modes.items():
            inner.training = mode
        state.restore()
        session.in_probe = False


def probe(session: Session, name: str, call: Call, next_token: bool, samples: int = 0) -> ProbeFacts:
    """What the model's output makes of each argument.

    Args:
        next_token: its targets are the next tokens, so that earlier outputs may not depend on later ones.
        samples: of the loader's batch; 0: from no loader. A first axis of this length holds the samples.
    """
    facts = ProbeFacts(model=name)
    try:
        with undisturbed(session, call.module):
            _probe(facts, call, next_token, samples)
    except Exception as problem:
        facts.why_not = f"{type(problem).__name__}: {problem}".splitlines()[0][:200]
    return facts


def _probe(facts: ProbeFacts, call: Call, next_token: bool, samples: int) -> None:
    tensors = [(name, tensor) for name, tensor in call.tensors() if tensor.ndim and len(tensor) > 1]
    size = len(tensors[0][1]) if tensors else 0
    tensors = [(name, tensor) for name, tensor in tensors if len(tensor) == size and "label" not in name]
    if not tensors:
        facts.why_not = "the model takes no batch of two samples or more"
        return
    state = RandomState()

    def output(**changed: Tensor) -> list[Tensor]:
        state.restore()
        swap = {id(tensor): changed[name] for name, tensor in tensors if name in changed}
        arguments, keywords = _swapped(call.arguments, swap), _swapped(call.keywords, swap)
        found = [tensor.detach() for _, tensor in tensors_of(call.module(*arguments, **keywords))]
        return [tensor.float() for tensor in found if tensor.is_floating_point()]

    plain = output()
    if not plain:
        facts.why_not = "the model returns no tensor of one value or more a sample"
        return
    facts.deterministic = _change(plain, output()) == 0
    if not facts.deterministic:
        facts.why_not = "the same input gives another output each time"
        return
    each = any(one.ndim and len(one) == size for one in plain)
    # of a mean over the batch, such as a loss, nothing changes where its samples are exchanged: then one stands for all
    order = torch.arange(size).roll(max(1, size // 2)) if each else torch.zeros(size, dtype=torch.long)
    for name, tensor in tensors:
        reach = Reach(argument=name, shape=list(tensor.shape))
        if torch.equal(tensor[order], tensor):
            order_here = None
        else:
            order_here = order
            reach.shuffled = _change(plain, output(**{name: tensor[order]}))
        if tensor.is_floating_point() and bool(tensor.any()):
            reach.zeroed = _change(plain, output(**{name: torch.zeros_like(tensor)}))
        if order_here is not None or reach.zeroed is not None:
            facts.reach.append(reach)
    if any(reach.shuffled is not None for reach in facts.reach):
        facts.all_shuffled = _change(plain, output(**{name: tensor[order] for name, tensor in tensors}))
    if size == samples:
        _others(facts, call.module, tensors, plain, output)
    if next_token:
        _ahead(facts, tensors, plain, output)


def _others(facts: ProbeFacts, module: nn.Module, tensors: list[Named], plain: list[Tensor], output: Any) -> None:
    """Put another sample in the place of the first, look at the outputs of the rest."""
    size = len(tensors[0][1])
    by_sample = [i for i, one in enumerate(plain) if one.ndim and len(one) == size and size not in one.shape[1:]]
    norms = [one for one in module.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    if not by_sample or any(not one.track_running_stats for one in norms):
        return
    after = output(**{name: torch.cat([tensor[size // 2 :][:1], tensor[1:]]) for name, tensor in tensors})
    if _change([plain[i][:1] for i in by_sample], [after[i][:1] for i in by_sample]) == 0:
        return
    facts.mixed = min(_change([plain[i][1:]], [after[i][1:]]) for i in by_sample)
    first = [(name, one) for name, one in module.named_modules() if getattr(one, "batch_first", None) is False]
    times = [size in tensor.shape[1:2] for _, tensor in tensors]
    if first and not any(times):  # no second axis of the same length, that may be the samples
        facts.mixed_by = f"`{first[0][0] or facts.model}`, {type(first[0][1]).__name__} without batch_first,"


def _ahead(facts: ProbeFacts, tensors: list[Named], plain: list[Tensor], output: Any) -> None:
    """Change the last token, look at the outputs before it."""
    name, tokens = next(((n, t) for n, t in tensors if t.ndim == 2 and not t.is_floating_point()), ("", None))
    if tokens is None:
        return
    width = tokens.shape[1]
    changed = tokens.clone()
    changed[:, -1] = tokens[:, 0] if bool((tokens[:, 0] != tokens[:, -1]).any()) else tokens[:, width // 2]
    there = [index for index, one in enumerate(plain) if one.ndim == 3 and one.shape[:2] == tokens.shape]
    if there and not torch.equal(changed, tokens):
        after = output(**{name: changed})
        facts.looks_ahead = max(_change([plain[i][:, :-1]], [after[i][:, :-1]]) for i in there[:1])


def _change(before: list[Tensor], after: list[Tensor]) -> float:
    """Largest change of any output, over the spread of that output."""
    changes = [0.0]
    for first, second in zip(before, after, strict=False):
        if first.shape != second.shape or not first.numel():
            continue
        spread = float(first.std()) if first.numel() > 1 else float(first.abs())
        size = max(spread, 1e-6 * float(first.abs().mean()), 1e-12)
        changes.append(float((first - second).abs().max()) / size)
    return max(changes)


def _swapped(value: Any, swap: dict[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return swap.get(id(value), value)
    if isinstance(value, dict):
        made = {key: _swapped(inner, swap) for key, inner in value.items()}
        return made if type(value) is dict else _like(value, made)
    if type(value) in {list, tuple}:
        return type(value)(_swapped(inner, swap) for inner in value)
    return value


def _like(value: Any, made: dict[Any, Any]) -> Any:
    other = copy.copy(value)
    for key, inner in made.items():
        other[key] = inner
    return other
