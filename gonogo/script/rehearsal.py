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
from gonogo.config.command import placeholders
from gonogo.config.experiment import Training
from gonogo.experiment.command import CommandExperiment
from gonogo.forecast.hardware_probe import bandwidth_gb_s, tflops_fp32
from gonogo.forecast.speed import Speed
from gonogo.script.check import CheckRequest, run_check
from gonogo.script.passes import Passed
from gonogo.script.processor.facts import LoaderFacts, ProcessorFacts
from gonogo.script.request import PassName
from gonogo.script.saved_names import relative_names
from gonogo.training.command_run import words_of
from gonogo.training.spec import RunSpec, TrainingResult

CARD_LIMIT_S = 120.0
STEPS_ON_CARD = 4  # optimizer state exists after the first, and the peak repeats


def watch_training(
    experiment: CommandExperiment, spec: RunSpec, arguments: str, card: Accelerator, progress: Callable[[str], None]
) -> ProcessorFacts:
    """Run `train` on the processor for `spec.max_steps` steps or `spec.max_minutes`, unchanged, and watch it.

    Args:
        arguments: words that only this run gets, for a smaller model or less data.

    Raises:
        UserError: the command runs no Python script.
    """
    with tempfile.TemporaryDirectory(prefix="gonogo-smoke-") as name:
        work = Path(name).resolve()
        facts = run_command("processor", experiment, spec, arguments, card, progress, work).facts(ProcessorFacts)
    in_out = "out" in placeholders(experiment.command.train)
    facts.reached.saved = relative_names(facts.reached.saved, work / "out" if in_out else experiment.root.resolve())
    return facts


def run_command(
    kind: PassName, experiment: CommandExperiment, spec: RunSpec, arguments: str, card: Accelerator,
    progress: Callable[[str], None], work: Path,
) -> Passed:  # fmt: skip
    """One pass over `command.train`.

    Args:
        work: an empty folder.

    Raises:
        UserError: the command runs no Python script.
    """
    passes = work / "passes"
    passes.mkdir()
    request = request_of(kind, experiment, spec, arguments, card, work)
    try:
        run = run_check(request, passes, lambda _, line: print(line), lambda steps, _: progress(_said(steps)))
    except UserError as error:
        raise UserError(f"command.train: {error}") from None
    return run.passed[kind]


def request_of(
    kind: PassName, experiment: CommandExperiment, spec: RunSpec, arguments: str, card: Accelerator, work: Path
) -> CheckRequest:
    """What a pass over the command is asked; its {out} is made below `work`."""
    out = work / "out"
    out.mkdir()
    return CheckRequest(
        words=[*words_of(experiment, spec, out), *shlex.split(arguments)],
        folder=experiment.root,
        card=card,
        steps=STEPS_ON_CARD if kind == "card" else spec.max_steps or STEPS_ON_CARD,
        limit_s=CARD_LIMIT_S if kind == "card" else 60 * (spec.max_minutes or 1),
        passes=(kind,),
    )


def _said(steps: Mapping[PassName, int]) -> str:
    count = max(steps.values(), default=0)
    return f"step {count}" if count else "no step yet"


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
        data_s=facts.timing.data_s or 0.0, data_workers=max(1, loader.workers if loader else 1),
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
