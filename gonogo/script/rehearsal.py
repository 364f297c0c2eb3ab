"""The passes of `gonogo check` over `command.train`, as the workflow's stages want them."""

from __future__ import annotations

import math
import shlex
import statistics
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.experiment.command import CommandExperiment
from gonogo.forecast.hardware_probe import bandwidth_gb_s, tflops_fp32
from gonogo.forecast.speed import Speed
from gonogo.memory.capacity import capacity_bytes
from gonogo.memory.estimate import MemoryEstimate, estimate
from gonogo.memory.plan_search import Candidate, Explored
from gonogo.memory.trace_result import Traced
from gonogo.script.card.facts import CardFacts
from gonogo.script.check import CheckRequest, run_check
from gonogo.script.passes import Passed
from gonogo.script.processor.facts import LoaderFacts, ProcessorFacts
from gonogo.script.request import PassName
from gonogo.training.command_run import words_of
from gonogo.training.spec import RunSpec, TrainingResult

CARD_LIMIT_S = 120.0
STEPS_ON_CARD = 4  # optimizer state exists after the first, and the peak repeats
LEAST_STEPS = 2


def watch_training(
    experiment: CommandExperiment, spec: RunSpec, arguments: str, card: Accelerator, progress: Callable[[str], None]
) -> ProcessorFacts:
    """Run `train` on the processor for `spec.max_steps` steps or `spec.max_minutes`, unchanged, and watch it.

    Args:
        arguments: words that only this run gets, for a smaller model or less data.

    Raises:
        UserError: the command runs no Python script.
    """
    with tempfile.TemporaryDirectory(prefix="gonogo-smoke-") as work:
        return _pass("processor", experiment, spec, arguments, card, progress, Path(work)).facts(ProcessorFacts)


def explore_script(
    experiment: CommandExperiment, spec: RunSpec, accelerator: Accelerator, environment: Mapping[str, str],
    progress: Callable[[str], None],
) -> Explored:  # fmt: skip
    """What `train` needs on the accelerator, from a run on a card that is not there; no other plan is tried."""
    with tempfile.TemporaryDirectory(prefix="gonogo-card-") as work:
        passed = _pass("card", experiment, spec, "", accelerator, progress, Path(work))
        found = _estimate(passed, spec.training, accelerator, environment)
    asked = Candidate(training=spec.training, needed_bytes=found.needed_bytes, fits=found.fits, estimate=found)
    return Explored(capacity_bytes=capacity_bytes(accelerator), candidates=[asked])


def _pass(
    kind: PassName, experiment: CommandExperiment, spec: RunSpec, arguments: str, card: Accelerator,
    progress: Callable[[str], None], work: Path,
) -> Passed:  # fmt: skip
    out, passes = work / "out", work / "passes"
    out.mkdir()
    passes.mkdir()
    request = CheckRequest(
        words=[*words_of(experiment, spec, out), *shlex.split(arguments)],
        folder=experiment.root,
        card=card,
        steps=STEPS_ON_CARD if kind == "card" else spec.max_steps or STEPS_ON_CARD,
        limit_s=CARD_LIMIT_S if kind == "card" else 60 * (spec.max_minutes or 1),
        passes=(kind,),
    )
    try:
        run = run_check(request, passes, lambda _, line: print(line), lambda steps, _: progress(_said(steps)))
    except UserError as error:
        raise UserError(f"command.train: {error}") from None
    return run.passed[kind]


def _said(steps: Mapping[PassName, int]) -> str:
    count = max(steps.values(), default=0)
    return f"step {count}" if count else "no step yet"


def _estimate(
    passed: Passed, training: Training, accelerator: Accelerator, environment: Mapping[str, str]
) -> MemoryEstimate:
    facts = passed.facts(CardFacts)
    if not (passed.folder / "trace.json").is_file():
        traced = Traced(training.micro_batch_size, training.accumulate_grad_batches, training.precision)
        traced.error = f"the pass on the card ended without a trace ({facts.ending.replace('_', ' ')})"
    else:
        traced = Traced.load(passed.folder)
    if facts.steps == 0:
        why = facts.untraceable or (f"{facts.error.name}: {facts.error.message}" if facts.error else facts.ending)
        traced.events, traced.error = None, traced.error or f"the script reached no optimizer step: {why}"
    found = estimate(traced, training, accelerator, environment)
    doubts = [*found.guessed, *facts.guesses]
    if facts.steps < LEAST_STEPS:
        doubts.append("that later steps need no more than the first")
    return found.model_copy(update={"guessed": list(dict.fromkeys(doubts)), "parameters": facts.parameters})


def losses_of(facts: ProcessorFacts) -> TrainingResult:
    """The run in the form of any other's, for curves and reports: losses of the line that called backward most."""
    series = max(facts.losses, key=lambda one: len(one.values), default=None)
    values = [value if value is not None else float("nan") for value in series.values] if series else []
    steps = facts.timing.step_s
    return TrainingResult(
        steps=facts.steps, epochs=0, parameters=facts.parameters.values, train_loss=values,
        train_steps=[step + 1 for step in series.steps] if series else [], val_steps=[], val_loss=[],
        step_s=[steps] if steps else [], wall_s=facts.seconds, peak_memory_bytes=0, device="cpu",
        finite=facts.not_finite is None,
    )  # fmt: skip


def speed_of(facts: ProcessorFacts, training: Training, items: int) -> Speed:
    """Pace of the script here; samples of an epoch as its own loader counts them, else `items`."""
    step_s = facts.timing.step_s or facts.seconds / max(1, facts.steps)
    loader = _training_loader(facts)
    batch = loader.batch_size if loader and loader.batch_size else training.micro_batch_size
    per_step = facts.optimizers[0].backwards_per_step if facts.optimizers else 1
    samples = round(batch * max(per_step, 1))
    first = facts.timing.first_step_s or 0
    return Speed(
        step_s=step_s, step_s_low=0.8 * step_s, step_s_high=1.25 * step_s, samples_per_step=samples,
        train_samples=(loader.items if loader and loader.items else items), epoch_overhead_s=0.0,
        start_s=max(0.0, first - step_s), tflops_fp32=tflops_fp32(), bandwidth_gb_s=bandwidth_gb_s(),
    )  # fmt: skip


def _training_loader(facts: ProcessorFacts) -> LoaderFacts | None:
    return next((loader for loader in facts.data.loaders if loader.role == "train"), None)


def pace_note(facts: ProcessorFacts) -> str:
    """`12 steps at 0.4 s, loss 2.30 → 1.71`."""
    result = losses_of(facts)
    known = [value for value in result.train_loss if math.isfinite(value)]
    losses = f", loss {known[0]:.3f} → {statistics.fmean(known[-3:]):.3f}" if known else ""
    pace = f" at {facts.timing.step_s:.3f} s" if facts.timing.step_s else ""
    return f"{facts.steps} steps{pace}{losses}"
