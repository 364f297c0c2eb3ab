"""plan_sweep: once every variant of a sweep is forecast or stopped, what they cost together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.base.models import read_model
from gonogo.base.units import dollars
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.sweep_plan import sweep_plan
from gonogo.learning.measurements import Measurements, number
from gonogo.runtime.context import Run


def plan_sweep(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    by_file = {run.settings.paths(name).forecast: name for name in params.variants}
    forecasts = {by_file[Path(file)]: read_model(Forecast, file).usd for file in inputs.forecasts}
    sweep = run.experiment_config.sweep
    if sweep and sweep.halving and forecasts:
        plan = sweep_plan(run.experiment, params.variants, forecasts, _skills(run, list(forecasts)), sweep.halving.keep)
    else:
        plan = sweep_plan(run.experiment, params.variants, forecasts)
    write_text(outputs.plan, plan.model_dump_json(indent=1) + "\n")
    run.say(
        f"{len(forecasts)} of {len(params.variants)} variants passed their gates"
        + (f", the best {len(plan.launched)} of them are kept" if plan.left_out else "")
        + f": {dollars(plan.usd.mid)} together ({dollars(plan.usd.low)} to {dollars(plan.usd.high)})"
    )


def _skills(run: Run, names: list[str]) -> dict[str, float]:
    """Held-out skills at the end of the smoke runs.

    Raises:
        UserError: one is not known, or they are of different numbers of steps.
    """
    files = {name: run.settings.paths(name).experiment / "learning" / "measurements.json" for name in names}
    ends = {name: read_model(Measurements, file).end for name, file in files.items()}
    if unknown := [name for name, end in ends.items() if number(end.skill) is None]:
        raise UserError(f"halving: {unknown[0]} has no held-out skill to be compared by; remove sweep.halving")
    if len(steps := {end.step for end in ends.values()}) > 1:
        raise UserError(
            f"halving: smoke runs of {min(steps)} to {max(steps)} steps: their skills are not alike; raise "
            "smoke.max_minutes, so that none ends early"
        )
    return {name: number(end.skill) or 0.0 for name, end in ends.items()}
