"""plan_sweep: once every variant of a sweep is forecast or stopped, what they cost together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.base.files import write_text
from gonogo.base.models import read_model
from gonogo.base.units import dollars
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.sweep_plan import sweep_plan
from gonogo.runtime.context import Run


def plan_sweep(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    by_file = {run.settings.paths(name).forecast: name for name in params.variants}
    forecasts = {by_file[Path(file)]: read_model(Forecast, file).usd for file in inputs.forecasts}
    plan = sweep_plan(run.experiment, params.variants, forecasts)
    write_text(outputs.plan, plan.model_dump_json(indent=1) + "\n")
    run.say(
        f"{len(plan.launched)} of {len(params.variants)} variants passed their gates: {dollars(plan.usd.mid)} together "
        f"({dollars(plan.usd.low)} to {dollars(plan.usd.high)})"
    )
