"""What was traced often enough is not traced again, so that a pass reaches what comes late in a script.

A forward pass of shapes that were seen before is answered with tensors like its outputs: while validation goes on, from
the fourth micro-batch of an optimizer step on, and in all steps after those that were asked for. After these, loaders
end after one batch, too: so an epoch ends, and the script goes on to its validation and its checkpoint.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from gonogo.memory.torch_private import FakeTensor, tree_flatten, tree_leaves, tree_unflatten
from gonogo.script.card.answers import Replacement
from gonogo.script.card.course import Course
from gonogo.script.card.work import COUNTED_STEP, WorkCounter

PASSES = 3  # micro-batches of a step that are traced; the gate's own trace has two
FORWARDS = 3  # without a graph, likewise
BATCHES = 1  # of each loader, once the steps that were asked for are done
UNUSED = 6  # times the steps that were asked for, after which an optimizer that made none is not waited for
PLAIN = (type(None), bool, int, float, str)


class Template:
    """What a forward pass returned, as far as it can be made again."""

    def __init__(self, out: Any) -> None:
        leaves, self.shape = tree_flatten(out)
        made = [_like(leaf) if isinstance(leaf, FakeTensor) else leaf for leaf in leaves]
        fit = all(isinstance(leaf, (_Like, *PLAIN)) for leaf in made)
        self.leaves = made if fit else []  # any other object, such as a cache, may hold tensors: it is not kept alive
        self.usable = fit and any(isinstance(leaf, _Like) for leaf in self.leaves)
        self.times = 1

    def again(self) -> Any:
        """New tensors of the same sizes; those that had a graph have an empty one."""
        leaves = [leaf.tensor() if isinstance(leaf, _Like) else leaf for leaf in self.leaves]
        return tree_unflatten(leaves, self.shape)


class _Like:
    def __init__(self, tensor: FakeTensor) -> None:
        self.size, self.stride, self.dtype = tuple(tensor.shape), tensor.stride(), tensor.dtype
        self.graph, self.device = tensor.requires_grad, tensor.fake_device

    def tensor(self) -> Tensor:
        if self.graph and torch.is_grad_enabled():
            made: Tensor = _Output.apply(torch.empty((), device="cuda", requires_grad=True), self)
            return made
        return self.made()

    def made(self) -> Tensor:
        return torch.empty_strided(self.size, self.stride, dtype=self.dtype, device="cuda")


class _Output(torch.autograd.Function):
    """An output with a graph behind it, in which there is nothing."""

    @staticmethod
    def forward(ctx: Any, anchor: Tensor, like: _Like) -> Tensor:
        return like.made()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return None, None


def _like(tensor: FakeTensor) -> Any:
    return _Like(tensor) if tensor.fake_device.type == "cuda" else tensor


class ForwardRepeats:
    """Replaces forward passes, and ends loaders."""

    def __init__(self, course: Course, work: WorkCounter, wanted_steps: int) -> None:
        self.course, self.work, self.wanted_steps = course, work, wanted_steps
        self.templates: dict[Any, Template] = {}
        self.skipped = 0  # forward passes that were not traced again
        self.batches: int | None = None  # of the longest loader

    @property
    def hurrying(self) -> bool:
        """The steps that were asked for are done."""
        course, wanted = self.course, self.wanted_steps
        if not course.optimizers:
            return course.done >= wanted
        return course.most >= wanted and (course.each_made(min(wanted, 2)) or course.most >= UNUSED * wanted)

    def replacements(self) -> list[Replacement]:
        """(owner, attribute, replacement)."""
        optimizer: Any = torch.optim.Optimizer
        return [
            (nn.Module, "__call__", self._call(nn.Module.__call__)),
            (nn.Module, "zero_grad", self._kept_gradients(nn.Module.zero_grad)),
            (optimizer, "zero_grad", self._kept_gradients(optimizer.zero_grad)),
            (DataLoader, "__iter__", self._iter(DataLoader.__iter__)),
        ]

    def _call(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        recorder = self.course.recorder

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if recorder.depth or not self.course.enter(module, (args, kwargs)):
                return plain(module, *args, **kwargs)
            key = self._key(module, args, kwargs)
            template = self.templates.get(key)
            if template is not None and template.usable and self._is_known(template):
                self._skip()
                out = template.again()
            else:
                out = plain(module, *args, **kwargs)
                if template is None:
                    self.templates[key] = Template(out)
                else:
                    template.times += 1
            self.course.leave()
            return out

        return call

    def _skip(self) -> None:
        self.skipped += 1
        if torch.is_grad_enabled() and self.course.recorder.step == COUNTED_STEP:
            self.work.skipped += 1

    def _is_known(self, template: Template) -> bool:
        if not torch.is_grad_enabled():
            return template.times >= FORWARDS
        if not self.course.optimizers:  # gradients that are moved by hand have to be there
            return False
        return self.hurrying or self.course.backwards_in_step >= PASSES

    def _key(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        leaves = tree_leaves((args, kwargs))
        graph = torch.is_grad_enabled()
        if graph and any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves):
            return object()  # its output has to hang on its input: always traced
        shapes = tuple(
            (tuple(leaf.shape), leaf.dtype, leaf.device.type) if isinstance(leaf, Tensor)
            else leaf if isinstance(leaf, PLAIN) else id(leaf)
            for leaf in leaves
        )  # fmt: skip
        state = module.training, graph, torch.is_autocast_enabled("cuda"), self.course.done > 0
        return id(module), state, shapes

    def _kept_gradients(self, plain: Callable[..., None]) -> Callable[..., None]:
        """Gradients stay where the passes that would make them are not traced."""

        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> None:
            if not self.hurrying:
                plain(owner, *args, **kwargs)

        return zero_grad

    def _iter(self, plain: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def batches(loader: Any) -> Iterator[Any]:
            with contextlib.suppress(TypeError):  # a stream of unknown length
                self.batches = max(self.batches or 0, len(loader))
            return _Batches(plain(loader), self)

        return batches


class _Batches:
    """A loader's iterator that ends early once the pass is hurrying."""

    def __init__(self, plain: Iterator[Any], repeats: ForwardRepeats) -> None:
        self._plain, self._repeats, self._given = plain, repeats, 0

    def __iter__(self) -> _Batches:
        return self

    def __len__(self) -> int:
        return len(self._plain)  # type: ignore[arg-type]

    def __next__(self) -> Any:
        if self._repeats.hurrying and self._given >= BATCHES:
            raise StopIteration
        self._given += 1
        return next(self._plain)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)
