"""Hours and dollars of a script that is watched: its step as it was counted on the card, and its own number of steps.

The rehearsal may have had a smaller model or less data (`smoke.arguments`), and files are not samples: neither its pace
nor the size of the set says how long the paid run takes. What is not known is left out, and the launch gate says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gonogo.base.ranges import Range
from gonogo.config.accelerator import Accelerator
from gonogo.config.command import Command, placeholders
from gonogo.config.experiment import Training
from gonogo.config.target import Target
from gonogo.forecast.forecast import OWN_SETUP_HOURS, PACE, SETUP_HOURS, START, Forecast, StageTime
from gonogo.forecast.speed import Speed
from gonogo.forecast.step_work import BASIS, ScriptRun, step_seconds

NO_STEPS = (
    "neither the script's own numbers nor its trainer say how many optimizer steps it makes; write command.steps in "
    "the experiment's YAML"
)
NO_WORK = "the pass on the card did not count a whole optimizer step"


def forecast_script(
    script: ScriptRun | None, speed: Speed, command: Command, asked: Training, planned: Training, target: Target,
    accelerator: Accelerator, *, other_run: bool, stages: Sequence[StageTime] = (),
) -> Forecast:  # fmt: skip
    """Step time × steps × price; hours and dollars are None where one of them is not known.

    Args:
        script: as the memory trace counted it, with the training keys `asked`; None: it did not.
        planned: the keys that are trained.
        other_run: the rehearsal had arguments or training keys of its own, so that its pace is another.
        stages: the others whose time grows with the data; the machine is paid for during `upload`.
    """
    script = script or ScriptRun()
    names = placeholders(command.train)
    larger = planned.effective_batch_size / asked.effective_batch_size if "micro_batch_size" in names else 1.0
    steps, steps_from = _steps(script, command, asked, planned, larger)
    step_s, basis = _step(script, speed, accelerator, larger, other_run)
    uploads = [stage.seconds.scaled(1 / 3600) for stage in stages if stage.stage == "upload"]
    setup = sum(uploads, start=OWN_SETUP_HOURS if accelerator.is_this_machine else SETUP_HOURS)
    start = START.scaled(speed.start_s / 3600)
    found = Forecast(
        steps=steps, step_s=step_s, hours=None, usd=None, setup_hours=setup, around_hours=start,
        usd_per_hour=target.usd_per_hour, basis=basis, stages=list(stages),
    )  # fmt: skip
    if steps is None or step_s is None:
        missing = [*([NO_STEPS] if steps is None else []), *([basis] if step_s is None else [])]
        return found.model_copy(update={"basis": "; ".join(missing)})
    basis = f"{steps_from}; {basis}"
    trained = StageTime(stage="cloud_train", seconds=step_s.scaled(steps) + start.scaled(3600), basis=basis)
    hours = setup + trained.seconds.scaled(1 / 3600)
    return found.model_copy(
        update={
            "hours": hours, "usd": hours.scaled(target.usd_per_hour), "basis": basis, "stages": [*stages, trained],
        }
    )  # fmt: skip


def _steps(
    script: ScriptRun, command: Command, asked: Training, planned: Training, larger: float
) -> tuple[int | None, str]:  # fmt: skip
    """Optimizer steps of the paid run, and what says so."""
    if command.steps:
        return command.steps, f"{command.steps} steps (command.steps)"
    epochs = planned.epochs / asked.epochs if "epochs" in placeholders(command.train) else 1.0
    if script.total_steps is not None:
        steps = math.ceil(script.total_steps * epochs / larger)
        return steps, f"{steps} steps ({script.total_steps_from})"
    if "epochs" in placeholders(command.train) and script.epoch_steps is not None:
        steps = planned.epochs * math.ceil(script.epoch_steps / larger)
        return steps, f"{steps} steps ({planned.epochs} epochs of its loader)"
    return None, ""


def _step(
    script: ScriptRun, speed: Speed, accelerator: Accelerator, larger: float, other_run: bool
) -> tuple[Range | None, str]:  # fmt: skip
    """Seconds of a step on the card, and what they rest on."""
    here, title = accelerator.is_this_machine, accelerator.title
    if here and not other_run:
        return PACE.scaled(larger * speed.step_s), f"{speed.step_s:.3f} s a step, measured here in the rehearsal"
    if script.work is None:
        return None, NO_WORK
    if here:
        measured = {"tflops_fp32": speed.tflops_fp32, "bandwidth_gb_s": speed.bandwidth_gb_s}
        accelerator = accelerator.model_copy(update=measured)
    counted = step_seconds(script.work.scaled(larger), accelerator)
    if counted is None:
        return None, f"the speed of {title} is not in the catalogue"
    basis = f"operations and bytes of its step on {title}, {BASIS}"
    if other_run or not speed.data_s:
        return counted, basis
    # its batches are made at about the pace of this machine: at worst none while the card works
    waits = larger * speed.data_s
    slowed = Range(low=counted.low, mid=max(counted.mid, waits / speed.data_workers), high=counted.high + waits)
    return slowed, f"{basis}, but for {waits:.2g} s that the batches of a step take to make here"
