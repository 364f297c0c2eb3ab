"""The pass over a script on a card that is not there."""

from __future__ import annotations

import argparse
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from gonogo.base.replaced import Replaced
from gonogo.memory.allocator import replay
from gonogo.memory.compiled import described
from gonogo.memory.devices import card_of
from gonogo.memory.fake_gpu import fake_gpu
from gonogo.memory.growth import growth
from gonogo.memory.torch_private import has_kernel
from gonogo.memory.trace_result import Traced
from gonogo.script.card import answers, shortcuts
from gonogo.script.card.course import Course
from gonogo.script.card.facts import CardFacts
from gonogo.script.card.hybrid import CardRecorder, HybridMode
from gonogo.script.card.repeats import ForwardRepeats
from gonogo.script.card.run_length import epoch_steps, names_on_stack, run_length
from gonogo.script.card.saving import Files
from gonogo.script.card.stages import stages_of
from gonogo.script.card.trainers import Trainers
from gonogo.script.card.work import WorkCounter
from gonogo.script.request import PassRequest

BEYOND_S = 20.0  # after the steps that were asked for, until validation and a checkpoint were reached
FAST_PATH = "aten::_transformer_encoder_layer_fwd"
SHARE = 0.75  # of the pass's own limit, likewise


class CardPass:
    """See `gonogo.script.child.Pass`."""

    def __init__(self, request: PassRequest, enough: Callable[[], NoReturn]) -> None:
        self.request, self.enough = request, enough
        self.untraceable = ""
        self.recorder = CardRecorder(request.folder, self._give_up)
        self.recorder.miopen = card_of(request.architecture).miopen
        self.course = Course(self.recorder)
        self.work = WorkCounter(self.course)
        self.repeats = ForwardRepeats(self.course, self.work, request.steps)
        self.trainers = Trainers()
        self.parsed: dict[str, Any] = {}
        self.named: dict[str, Any] = {}
        self.course.changed = self._is_it_enough
        self.started = time.monotonic()
        self.asked_at: float | None = None

    @contextmanager
    def around(self) -> Iterator[None]:
        card, files = card_of(self.request.architecture), Files(self.course)
        self.course.before_forward = files.follow_transformers
        with Replaced() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", message=".*FakeTensor.*")
            stack.enter_context(fake_gpu(card, self.recorder.assume))
            torch.jit._state.disable()
            if not has_kernel(FAST_PATH, "Meta"):
                torch.backends.mha.set_fastpath_enabled(False)  # torch 2.8 knows no shapes of it
            for owner, name, value in [
                *answers.replacements(self.request.card_name, self.request.card_bytes, card, self.recorder),
                *shortcuts.replacements(self.recorder.note, self.recorder.scalar),
                *files.replacements(),
                *self.repeats.replacements(),
                (argparse.ArgumentParser, "parse_known_args", self._parsed(argparse.ArgumentParser.parse_known_args)),
            ]:
                stack.set(owner, name, value)
            stack.enter_context(self.course.followed())
            mode = stack.enter_context(HybridMode())
            stack.enter_context(self.recorder.following())
            stack.set(threading.Thread, "run", self._also_there(threading.Thread.run, mode))
            yield

    def facts(self) -> CardFacts:
        course, recorder = self.course, self.recorder
        events = recorder.events()
        work = self.work.work()
        length, said_by = self._length()
        batches, accumulation = self._batches()
        return CardFacts(
            steps=course.done, guesses=list(recorder.guesses), notes=list(recorder.notes),
            architecture=self.request.architecture, untraceable=self.untraceable,
            stages=stages_of(events, course.reached, replay(events).reserved_after),
            parameters=course.parameters, operations=recorder.operations, backward_passes=course.backwards,
            optimizers=list(course.classes), autocast=course.autocast, dtype=course.dtype,
            batch_shapes=course.batch, work=work, hurried=self.repeats.skipped,
            total_steps=length, total_steps_from=said_by,
            epoch_steps=epoch_steps(batches, accumulation) if batches else None,
        )  # fmt: skip

    def _batches(self) -> tuple[int | None, float]:
        """Of the training loader, and how many an optimizer step takes."""
        work = self.work.work()
        return self.repeats.batches, work.backward_passes if work else 1

    def _length(self) -> tuple[int | None, str]:
        """Optimizer steps of the whole run, and who says so."""
        if self.trainers.steps:
            return self.trainers.steps, "its trainer"
        return run_length({**self.named, **self.parsed}, *self._batches())

    def save(self, folder: Path) -> None:
        events = self.recorder.events()
        later = np.flatnonzero(events.step >= self.request.steps)  # of which not every allocation is recorded
        reached = stages_of(events, self.course.reached, events.live_bytes())
        shapes = self.course.batch
        batch = shapes[0][0] if shapes and shapes[0] else 1
        Traced(
            max(batch, 1), 1, "32-true", operations=self.recorder.operations,
            events=events if len(events) else None, kinds=self.recorder.kinds, guesses=list(self.recorder.guesses),
            error=self.untraceable or ("" if len(events) else "nothing was put on the card"),
            growth=growth(events, int(later[0]) if len(later) else None), planned_steps=self._length()[0] or 0,
            compiled=described("") if shortcuts.COMPILED in self.recorder.notes else "",
            workspaces=self.recorder.workspaces,
            looked=[f"{self.course.done} optimizer steps were traced", *(s.why_not for s in reached if s.why_not)],
        ).save(folder)  # fmt: skip

    def _parsed(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        """Keeps the script's own arguments, of which one may say how long it runs."""

        def parse(parser: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> Any:
            found = plain(parser, *args, **kwargs)
            self.parsed |= vars(found[0])
            return found

        return parse

    def _also_there(self, plain: Callable[..., None], mode: HybridMode) -> Callable[..., None]:
        """Threads of the script see the card as well: torch's modes are those of one thread."""

        def run(thread: threading.Thread) -> None:
            with mode, self.recorder:
                plain(thread)

        return run

    def _give_up(self, reason: str) -> None:
        self.untraceable = reason
        self.enough()

    def _is_it_enough(self) -> None:
        now = time.monotonic()
        if self.course.most == 1:
            self.trainers.look()
            self.named = self.named or names_on_stack(self.request.folder)
        if not self.repeats.hurrying:
            return
        if self.request.only_steps:
            self.enough()
        self.recorder.hurried = True
        self.trainers.hurry()
        self.asked_at = self.asked_at or now
        if {"validation", "checkpoint"} <= self.course.settled:
            self.enough()
        if now - self.asked_at > BEYOND_S or now - self.started > SHARE * self.request.limit_s:
            self.enough()


def make(request: PassRequest, enough: Callable[[], NoReturn]) -> CardPass:
    return CardPass(request, enough)
