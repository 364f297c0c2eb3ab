"""The pass on the processor: the script trains for real, for a few steps, and every part of the step is watched."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from torch.nn.modules.module import register_module_module_registration_hook

from gonogo.base.replaced import Replaced
from gonogo.learning.watch_loss_calls import LossCallWatch
from gonogo.script.processor.conductor import Conductor
from gonogo.script.processor.facts import ProcessorFacts, Reached, Timing
from gonogo.script.processor.names import Names
from gonogo.script.processor.redirect import redirected
from gonogo.script.processor.session import Session
from gonogo.script.processor.watch_files import FileWatch
from gonogo.script.processor.watch_inputs import InputWatch
from gonogo.script.processor.watch_loaders import LoaderWatch
from gonogo.script.processor.watch_losses import LossWatch
from gonogo.script.processor.watch_modules import Call, ModuleWatch
from gonogo.script.processor.watch_steps import StepWatch
from gonogo.script.request import PassRequest


class ProcessorPass:
    """All watchers, each told of the others only what it needs."""

    def __init__(self, request: PassRequest, enough: Callable[[], object]) -> None:
        self.session = Session(request)
        self.names = Names(self.session)
        self.modules = ModuleWatch(self.session, self.names)
        self.losses = LossWatch(self.session, self.modules)
        self.loss_calls = LossCallWatch(self.session)
        self.inputs = InputWatch(self.session)
        self.loaders = LoaderWatch(
            self.session, self._loader_read, self._role_of_loader, lambda: self.modules.train_loader
        )
        self.reached = Reached()
        self.files = FileWatch(self.session, self.reached)
        self.conductor = Conductor(
            self.session, self.modules, self.losses, self.loss_calls, self.loaders, self.reached, enough
        )
        self.steps = StepWatch(self.session, self.names, self.modules, self.losses.bad_gradient, self.conductor.stepped)
        self.conductor.steps = self.steps
        self.modules.validated = self.conductor.validated
        self.modules.listeners += [self._model_called, self.inputs.model_called]
        self.loss_calls.listeners.append(self.inputs.compared_with)
        self.loss_calls.batch_size = lambda: self.inputs.batch_size
        self.losses.batch = self.loaders.where
        self.inputs.from_loader = self.loaders.just_read
        self.losses.before.append(self.steps.backward_begins)
        self.losses.after.append(self._backward_done)

    @contextmanager
    def around(self) -> Iterator[None]:
        """Everything in its place while the script runs."""
        with Replaced() as replaced:
            handle = register_module_module_registration_hook(self.names.registered)
            replaced.callback(handle.remove)
            for watch in (self.modules, self.losses, self.steps, self.loaders, self.files):
                watch.place(replaced)
            with redirected(self.session, self.loss_calls.watched()):
                yield

    def _model_called(self, call: Call) -> None:
        self.steps.forward()

    def _loader_read(self, loader: int) -> None:
        self.modules.loader = loader

    def _role_of_loader(self, loader: int) -> str:
        known = self.modules.train_loaders
        return "train" if not known or loader in known else "validation"

    def _backward_done(self) -> None:
        """Of a script without an optimizer, each backward pass is a step."""
        if not self.steps.seen:
            self.steps.without_optimizer()
            self.session.steps += 1
            self.steps.step_times.append(time.monotonic())
            self.conductor.stepped()

    def facts(self) -> ProcessorFacts:
        self.conductor.finish()
        facts = ProcessorFacts(
            steps=self.session.steps, wanted_steps=self.session.request.steps, notes=self.session.notes,
            losses=list(self.losses.series.values()), not_finite=self.losses.not_finite,
            optimizers=[one.facts for one in self.steps.seen.values()],
            schedulers=list(self.steps.schedulers.values()), modes=self.modules.modes,
            loss_calls=list(self.loss_calls.calls.values()), probes=self.conductor.probes,
            memorised=self.conductor.memorised, kept=self.losses.kept, reached=self.reached,
            no_module=not self.modules.roots, explained=self.loss_calls.explains,
            disturbed=self.session.phase != "watch",
        )  # fmt: skip
        for name, fill in (("parameters", self._parameters), ("data", self._data), ("timing", self._timing)):
            self.session.guard(name, fill, facts)
        facts.broken = dict(self.session.broken)
        return facts

    def _parameters(self, facts: ProcessorFacts) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            facts.parameters = self.steps.parameter_facts()

    def _data(self, facts: ProcessorFacts) -> None:
        self.loaders.fill(facts.data)
        self.inputs.fill(facts.data)
        facts.data.batch_norm_alone = self.modules.alone

    def _timing(self, facts: ProcessorFacts) -> None:
        times = self.steps.step_times
        gaps = [later - earlier for earlier, later in pairwise(times)]
        train = [loader for loader in facts.data.loaders if loader.role == "train"]
        backwards = max((one.backwards_per_step for one in facts.optimizers), default=1.0)
        facts.timing = Timing(
            step_s=median(gaps) if gaps else None,
            first_step_s=times[0] - self.session.started if times else None,
            data_s=train[0].seconds_a_batch * max(1.0, backwards) if train else None,
        )

    def save(self, folder: Path) -> None:
        """Everything is in the facts."""


def make(request: PassRequest, enough: Callable[[], Any]) -> ProcessorPass:
    return ProcessorPass(request, enough)
