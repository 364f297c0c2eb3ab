"""Where an unmodified script is: which optimizer step, and whether it trains, validates, saves or loads."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import optimizer as optimizers

from gonogo.base.replaced import Replaced
from gonogo.memory.fake_gpu import forget_tracing
from gonogo.memory.torch_private import FakeTensor, tree_leaves
from gonogo.script.card.facts import StageName
from gonogo.script.card.hybrid import CardRecorder

VALIDATION: StageName = "validation"
CHECKPOINT: StageName = "checkpoint"
RESUME: StageName = "resume"
APART = (VALIDATION, CHECKPOINT, RESUME)
IN_A_ROW = 4  # forward passes of a model that no optimizer trains, after which they are more than a teacher's
LAST_STEP = 32000  # events keep the step in 16 bits


class Course:
    """Keeps the recorder's phase and step.

    Attributes:
        steps: of the whole: each optimizer that is used has made so many.
        done: the most that `steps` ever was.
        backwards: backward passes; `backwards_in_step`: since the last step.
        parameters: elements that are trained, on the card.
        dtype: of most of the weights.
        most: steps of the optimizer that made most.
        reached: stage → rows of events at which the script was in it, beside those that carry its name.
        settled: stages that were reached after a whole step, when gradients and optimizer state are there.
        changed: called whenever a step has ended or a stage was left.
    """

    def __init__(self, recorder: CardRecorder) -> None:
        self.recorder = recorder
        self.optimizers: weakref.WeakSet[Any] = weakref.WeakSet()
        self.counts: dict[int, int] = {}
        self.classes: dict[str, None] = {}
        self.backwards = self.done = self.parameters = 0
        self.dtype = ""
        self.reached: dict[StageName, list[int]] = {}
        self.settled: set[StageName] = set()
        self.backwards_in_step = 0
        self.changed: Callable[[], None] = lambda: None
        self.before_forward: Callable[[], None] = lambda: None
        self.models: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self.batch: list[list[int]] = []
        self.autocast = ""
        self.owned: dict[int, tuple[int, bool]] = {}
        self._in_a_row = 0
        self._graphs = 0  # backward passes since a step ended, where there is no optimizer
        self._labelled = 0
        self._grad_off = False
        recorder.before, recorder.apart = self._operation, APART

    @property
    def steps(self) -> int:
        used = [self.counts.get(id(made), 0) for made in self.optimizers]
        used = [count for count in used if count] if self.most > 2 else used
        return min(used) if used else self._graphs_as_steps

    def each_made(self, count: int) -> bool:
        """Whether every optimizer, used or not, has made so many steps."""
        return all(self.counts.get(id(made), 0) >= count for made in self.optimizers)

    @property
    def most(self) -> int:
        return max(self.counts.values(), default=0)

    @property
    def _graphs_as_steps(self) -> int:
        """Of a script without an optimizer: each backward pass ends a step."""
        return self.most if self.optimizers else self._graphs

    # --- what the script does ---

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Within, all of it is noticed."""
        with Replaced() as stack:
            for handle in (
                optimizers.register_optimizer_step_pre_hook(self._step_begins),
                optimizers.register_optimizer_step_post_hook(self._step_ends),
            ):
                stack.callback(handle.remove)
            stack.set(torch.optim.Optimizer, "__init__", self._optimizer_made(torch.optim.Optimizer.__init__))
            stack.set(torch.autograd, "backward", self._backward(torch.autograd.backward, counted=True))
            stack.set(torch.autograd, "grad", self._backward(torch.autograd.grad, counted=False))
            yield

    def _optimizer_made(self, plain: Callable[..., None]) -> Callable[..., None]:
        def made(optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> None:
            plain(optimizer, *args, **kwargs)
            self.optimizers.add(optimizer)
            self.owned.clear()

        return made

    def _backward(self, plain: Callable[..., Any], counted: bool) -> Callable[..., Any]:
        def backward(*args: Any, **kwargs: Any) -> Any:
            if not any(isinstance(leaf, FakeTensor) for leaf in tree_leaves((args, kwargs))):
                return plain(*args, **kwargs)
            self._train()
            outside, self.recorder.phase = self.recorder.phase, "backward"
            try:
                return plain(*args, **kwargs)
            finally:
                self.recorder.phase = "clip" if counted else outside
                self.backwards += counted
                self.backwards_in_step += counted
                if counted and not self.optimizers:
                    self._graphs += 1
                    self._step_over()

        return backward

    def enter(self, module: nn.Module, args: Any) -> bool:
        """A forward pass begins that is no part of another one. Returns whether it is on the card."""
        if not _on_card(module, args):
            return False
        forget_tracing()
        self.before_forward()
        self.models.add(module)
        graph = torch.is_grad_enabled()
        owned = self._is_trained(module)
        self._in_a_row = 0 if graph and module.training else self._in_a_row + 1
        if graph and (module.training or not owned):
            self._train()
            self.recorder.phase = "forward"
            self._note_batch(args)
        elif (owned and not module.training) or self._in_a_row >= IN_A_ROW:
            self._grad_off = not graph
            self.enter_stage(VALIDATION)
        return True

    def leave(self) -> None:
        """It has ended."""
        if self.recorder.phase == VALIDATION:
            self.changed()

    def _operation(self) -> None:
        """Before each operation on the card: with gradients on again, validation is over."""
        recorder = self.recorder
        if not self.autocast and recorder.phase == "forward" and torch.is_autocast_enabled("cuda"):
            self.autocast = str(torch.get_autocast_dtype("cuda")).removeprefix("torch.")
        if recorder.phase == VALIDATION and self._grad_off and torch.is_grad_enabled() and not recorder.depth:
            recorder.phase = "batch"

    def _train(self) -> None:
        recorder = self.recorder
        recorder.step = max(recorder.step, 0)
        if recorder.phase in APART:
            recorder.phase = "batch"

    def _step_begins(self, optimizer: Any, *_: Any) -> None:
        self._train()
        self._label()
        self.recorder.phase = "optimizer"

    def _step_ends(self, optimizer: Any, *_: Any) -> None:
        self.optimizers.add(optimizer)
        self.counts[id(optimizer)] = self.counts.get(id(optimizer), 0) + 1
        self.classes[type(optimizer).__name__] = None
        self._label_state(optimizer)
        self._step_over()

    def _step_over(self) -> None:
        self.recorder.phase = "batch"
        self.backwards_in_step = 0
        self.recorder.step = min(self.steps, LAST_STEP)
        self.done = max(self.done, self.steps)
        if self.most <= 2:
            self.parameters = max(self.parameters, self._trained_elements())
            self.dtype = self._dtype()
        self.changed()

    def enter_stage(self, name: StageName) -> None:
        """The script is in it from now on."""
        self._after_training(name)
        if self.recorder.phase != name:
            self.recorder.phase = name
            self.reached.setdefault(name, []).append(self.recorder.rows)

    def at(self, name: StageName) -> None:
        """The script is in it for this moment."""
        self._after_training(name)
        self.reached.setdefault(name, []).append(self.recorder.rows)
        self.changed()

    def _after_training(self, name: StageName) -> None:
        if self.done:
            self.settled.add(name)

    # --- what it is made of ---

    def _is_trained(self, module: nn.Module) -> bool:
        """Whether an optimizer holds any of its parameters; without an optimizer, whether any needs a gradient."""
        known = self.owned.get(id(module))
        if known is not None and known[0] == len(self.optimizers):
            return known[1]
        held = {id(p) for made in self.optimizers for group in made.param_groups for p in group["params"]}
        found = any(id(p) in held if held else p.requires_grad for p in module.parameters())
        self.owned[id(module)] = (len(self.optimizers), found)
        return found

    def _note_batch(self, args: Any) -> None:
        for leaf in tree_leaves(args):
            if isinstance(leaf, FakeTensor):
                self.recorder.label(leaf, "batch")
        if not self.autocast and torch.is_autocast_enabled("cuda"):
            self.autocast = str(torch.get_autocast_dtype("cuda")).removeprefix("torch.")
        if not self.batch:
            self.batch = [list(leaf.shape) for leaf in tree_leaves(args) if isinstance(leaf, Tensor)]

    def _label(self) -> None:
        """Say what the blocks of the first steps are for."""
        if self._labelled > 2 * max(len(self.optimizers), 1):
            return
        self._labelled += 1
        label = self.recorder.label
        trained = [p for made in self.optimizers for group in made.param_groups for p in group["params"]]
        for parameter in trained:
            label(parameter, "weights")
            label(parameter.grad, "gradients")
        for model in list(self.models):
            for parameter in model.parameters():
                label(parameter, "frozen weights")
            for buffer in model.buffers():
                label(buffer, "buffers")

    def _label_state(self, optimizer: Any) -> None:
        if self.counts[id(optimizer)] <= 2:
            for state in optimizer.state.values():
                for value in state.values() if isinstance(state, dict) else ():
                    if isinstance(value, Tensor):
                        self.recorder.label(value, "optimizer state")

    def _trained_elements(self) -> int:
        found = {id(p): p for made in self.optimizers for group in made.param_groups for p in group["params"]}
        if not found:
            found = {id(p): p for model in list(self.models) for p in model.parameters() if p.requires_grad}
        return sum(p.numel() for p in found.values() if isinstance(p, FakeTensor))

    def _dtype(self) -> str:
        sizes: dict[str, int] = {}
        for model in list(self.models):
            for parameter in model.parameters():
                name = str(parameter.dtype).removeprefix("torch.")
                sizes[name] = sizes.get(name, 0) + parameter.numel()
        return max(sizes, key=lambda name: sizes[name], default="")


def _on_card(module: nn.Module, args: Any) -> bool:
    if any(isinstance(leaf, FakeTensor) for leaf in tree_leaves(args)):
        return True
    return isinstance(next(iter(module.parameters()), None), FakeTensor)
