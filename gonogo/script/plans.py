"""The memory plan of `command.train`: passes on a card that is not there, at the batch asked for and around it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.config.accelerator import Accelerator
from gonogo.config.command import placeholders
from gonogo.config.experiment import Training
from gonogo.experiment.command import CommandExperiment
from gonogo.forecast.step_work import ScriptRun
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.cards import CardNeed, catalogue, needs
from gonogo.memory.estimate import MemoryEstimate, estimate, failed
from gonogo.memory.plan_search import Candidate, Explored, Options, explore
from gonogo.memory.trace_result import Traced
from gonogo.script.card.facts import CardFacts
from gonogo.script.card.vary import value_in, with_value
from gonogo.script.check import pass_request
from gonogo.script.command import read_command
from gonogo.script.passes import Passed, run_pass
from gonogo.script.rehearsal import request_of, run_command
from gonogo.training.spec import RunSpec

LEAST_STEPS = 2
LIMIT_S = 600.0  # for all passes
LARGEST = 64  # effective batches: their data is loaded for real


def explore_script(
    experiment: CommandExperiment, spec: RunSpec, accelerator: Accelerator, environment: Mapping[str, str],
    progress: Callable[[str], None],
) -> Explored:  # fmt: skip
    """What `train` needs on the accelerator, and the largest batch, as far as its batch can be set.

    By {micro_batch_size} in the command, other plans are tried as for any experiment; by `command.vary`, sizes alone,
    since a plan could not be handed on; by neither, the command as it stands is all that is traced.

    Raises:
        UserError: the command runs no Python script.
    """
    names, vary = placeholders(experiment.command.train), experiment.command.vary
    with tempfile.TemporaryDirectory(prefix="gonogo-card-") as work:
        passes = _Passes(experiment, spec, accelerator, environment, progress, Path(work))
        if "micro_batch_size" in names:
            found = explore(
                passes.planned, spec.training, accelerator, accumulates="accumulate_grad_batches" in names,
                precisions="precision" in names, largest=LARGEST,
            )  # fmt: skip
            return found.model_copy(update={"cards": passes.cards, "run": passes.run})
        asked = passes.as_it_stands(spec.training)
        if vary and asked.needed_bytes is not None:
            batch = passes.batch(vary)
            training = spec.training.model_copy(update={"micro_batch_size": batch, "accumulate_grad_batches": 1})
            found = explore(
                lambda wanted, _: asked if wanted.micro_batch_size == batch else passes.varied(vary, wanted),
                training, accelerator, accumulates=False, precisions=False, largest=LARGEST,
            )  # fmt: skip
            return found.model_copy(
                update={
                    "candidates": found.candidates[:1],
                    "cards": passes.cards,
                    "batch_argument": vary,
                    "run": passes.run,
                }
            )
    plan = Candidate(training=spec.training, needed_bytes=asked.needed_bytes, fits=asked.fits, estimate=asked)
    return Explored(
        capacity_bytes=capacity_bytes(accelerator), candidates=[plan], accumulates=False, batch_argument="",
        cards=passes.cards, run=passes.run,
    )  # fmt: skip


@dataclass
class _Passes:
    """The passes over one command, each in a folder of its own."""

    experiment: CommandExperiment
    spec: RunSpec
    accelerator: Accelerator
    environment: Mapping[str, str]
    progress: Callable[[str], None]
    work: Path
    # what the first of them would ask of each card of the catalogue
    cards: list[CardNeed] = field(default_factory=list)
    run: ScriptRun | None = None  # step and length, as the first of them counted them
    _done: int = 0
    _traced_batch: int = 1
    _started: float = field(default_factory=time.monotonic)

    def planned(self, training: Training, options: Options) -> MemoryEstimate:
        """With other values for the command's placeholders."""
        if not self._done:
            return self.as_it_stands(training)
        return self._again(training)

    def as_it_stands(self, training: Training) -> MemoryEstimate:
        """The first pass, which says its steps."""
        passed = run_command("card", self.experiment, self.spec, "", self.accelerator, self.progress, self._folder())
        found = self._estimate(passed, training)
        self.run = passed.facts(CardFacts).run
        if found.needed_bytes is not None:
            traced = Traced.load(passed.folder)
            self._traced_batch = traced.micro_batch_size
            self.cards = needs(traced, passed.facts(CardFacts).architecture, catalogue())
        return found

    def varied(self, argument: str, training: Training) -> MemoryEstimate:
        """With another value of the script's own argument."""
        return self._again(training, argument)

    def batch(self, argument: str) -> int:
        """Of the command as it stands: as it says, else as the model was given it."""
        out = self._folder()
        request = request_of("card", self.experiment, self.spec, "", self.accelerator, out)
        return value_in(read_command(request.words, request.folder), argument) or self._traced_batch

    def _again(self, training: Training, argument: str = "") -> MemoryEstimate:
        if time.monotonic() - self._started > LIMIT_S:
            return failed(training, f"not traced: the plans before it took {LIMIT_S:.0f} s")
        size = training.micro_batch_size
        self.progress(argument.format(size) if argument else f"micro-batch {size}, {training.precision}")
        work = self._folder()
        spec = self.spec.model_copy(update={"training": training})
        request = request_of("card", self.experiment, spec, "", self.accelerator, work)
        command = read_command(request.words, request.folder.resolve())
        command = with_value(command, argument, size) if argument else command
        passed = run_pass(pass_request(request, command, "card", work), work / "card", lambda line: None)
        return self._estimate(passed, training)

    def _folder(self) -> Path:
        self._done += 1
        folder = self.work / str(self._done)
        folder.mkdir()
        return folder

    def _estimate(self, passed: Passed, training: Training) -> MemoryEstimate:
        facts = passed.facts(CardFacts)
        if not (passed.folder / "trace.json").is_file():
            traced = Traced(training.micro_batch_size, training.accumulate_grad_batches, training.precision)
            traced.error = f"the pass on the card ended without a trace ({facts.ending.replace('_', ' ')})"
        else:
            traced = Traced.load(passed.folder)
        if facts.steps == 0:
            why = facts.untraceable or (f"{facts.error.name}: {facts.error.message}" if facts.error else facts.ending)
            traced.events, traced.error = None, traced.error or f"the script reached no optimizer step: {why}"
        found = estimate(traced, training, self.accelerator, self.environment)
        doubts = [*found.guessed, *facts.guesses]
        if facts.steps < LEAST_STEPS:
            doubts.append("that later steps need no more than the first")
        return found.model_copy(update={"guessed": list(dict.fromkeys(doubts)), "parameters": facts.parameters})
