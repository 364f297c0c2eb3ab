"""What the pass does when: N steps as they are, one batch again and again, on to validation and checkpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gonogo.learning.watch_loss_calls import LossCallWatch
from gonogo.script.processor import frameworks
from gonogo.script.processor.facts import Memorised, ProbeFacts, Reached
from gonogo.script.processor.probes import MOST_MODELS, RandomState, probe
from gonogo.script.processor.session import Session
from gonogo.script.processor.watch_loaders import LoaderWatch
from gonogo.script.processor.watch_losses import LossWatch
from gonogo.script.processor.watch_modules import ModuleWatch
from gonogo.script.processor.watch_steps import StepWatch

CHEAP_SHARE = 0.2  # of the pass's time: for more steps than asked for, where they are cheap
MOST_STEPS = 200
MEMORISE_STEPS = 24
MEMORISE_SHARE = 0.2  # of the pass's time, at most
WATCH_SHARE = 0.5  # of the pass's time, after which it goes on with the steps that it has, if they are a few
LATEST_SHARE = 0.8  # with those that it has
FEWEST_STEPS = 6
REACH_S = 6.0  # for validation and checkpoint, or half of what the steps took
AFTER_NAN = 2  # steps that a run goes on after NaN
NEXT_TOKEN = 0.99  # share of targets that are the next token


@dataclass
class Conductor:
    session: Session
    modules: ModuleWatch
    losses: LossWatch
    loss_calls: LossCallWatch
    loaders: LoaderWatch
    reached: Reached
    enough: Callable[[], object]
    memorised: Memorised = field(default_factory=Memorised)
    probes: list[ProbeFacts] = field(default_factory=list)
    steps: StepWatch | None = None
    _random: RandomState | None = None
    _memorise_from: int = 0
    _phase_began: float = 0.0
    _first_step: float = 0.0
    _ended: bool = False

    def validated(self) -> None:
        if self.reached.validation is None:
            self.reached.validation = self.session.steps

    def stepped(self) -> None:
        """An optimizer step is done."""
        session, now = self.session, time.monotonic()
        self._first_step = self._first_step or now
        if session.phase == "watch":
            self.losses.count_graphs()
            if self._watched_enough(now):
                self._begin_memorising(now)
        elif session.phase == "memorise":
            done = session.steps - self._memorise_from
            if done >= MEMORISE_STEPS or now - self._phase_began > MEMORISE_SHARE * session.request.limit_s:
                self._begin_reaching(now)
            elif self._random is not None:
                self._random.restore()
        elif self._reached_enough(now):
            self.end()
        if self.reached.validation is not None and session.steps > self.reached.validation:
            self.reached.training_after_validation = True

    def end(self) -> None:
        self._ended = True
        self.enough()

    def _watched_enough(self, now: float) -> bool:
        session, wanted = self.session, self.session.request.steps
        bad = self.losses.not_finite
        if bad is not None and session.steps >= bad.step + AFTER_NAN:
            self.end()
        elapsed = now - session.started
        share = elapsed / session.request.limit_s
        if share > LATEST_SHARE or (share > WATCH_SHARE and session.steps >= FEWEST_STEPS):
            return True
        if session.steps < wanted:
            return False
        cheap = now - self._first_step <= CHEAP_SHARE * session.request.limit_s
        return session.steps >= MOST_STEPS or not cheap

    def _begin_memorising(self, now: float) -> None:
        session = self.session
        self._phase_began = now
        session.guard("probes", self._probe)
        why_not = self._why_not_memorise()
        if why_not:
            self.memorised.why_not = why_not
            self._begin_reaching(now)
            return
        session.phase = "memorise"
        self._memorise_from = session.steps
        self._random = RandomState()

    def _why_not_memorise(self) -> str:
        seen = self.steps.seen.values() if self.steps is not None else ()
        working = [one for one in seen if one.facts.steps]
        if len(working) != 1:
            return "several optimizers take turns" if working else "the script has no optimizer"
        if working[0].facts.name == "LBFGS":
            return "LBFGS goes over its batch itself"
        return ""

    def _begin_reaching(self, now: float) -> None:
        self.memorised.losses = list(self.losses.memorised)
        self.session.phase = "reach"
        self._phase_began = now
        who = self.session.guard("frameworks", frameworks.take_to_the_end)
        how = f"the {who} trainer was asked to validate, save and stop" if who else "epochs were cut short"
        self.session.note(f"after {self.session.steps} steps {how}, to reach validation and checkpoint")
        if self._reached_enough(now):
            self.end()

    def _reached_enough(self, now: float) -> bool:
        reached, session = self.reached, self.session
        if now - session.started > session.request.limit_s - 2:
            return True
        validated = reached.validation is not None and reached.training_after_validation
        if validated and reached.checkpoint is not None:
            return True
        return now - self._phase_began > max(REACH_S, (self._phase_began - session.started) / 2)

    def _probe(self) -> None:
        """Each model that is trained, on its last batch."""
        next_token = any((call.target_is_next or 0) > NEXT_TOKEN for call in self.loss_calls.calls.values())
        for call in list(self.modules.last.values())[:MOST_MODELS]:
            loader = self.loaders.seen.get(call.loader or 0)
            name, size = self.modules.names.of_module(call.module), loader.size if loader is not None else 0
            self.probes.append(probe(self.session, name, call, next_token, size))

    def finish(self) -> None:
        """Whatever ended the run."""
        if self.session.phase == "memorise":
            self.memorised.losses = list(self.losses.memorised)
        in_script = threading.current_thread() is threading.main_thread()
        if in_script and self.session.phase == "watch" and not self.probes and self.session.steps:
            self.session.guard("probes", self._probe)
        self.reached.epoch_ended_early = self.loaders.ended_early
