"""measure_launch: everything that should be settled before money is spent, measured now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.models import read_model
from gonogo.config.target import Slurm
from gonogo.forecast.forecast import Forecast
from gonogo.forecast.plan_consistency import contradictions
from gonogo.forecast.sweep_plan import SweepPlan
from gonogo.gates import registry, standing
from gonogo.gates.launch import Approval, Measurements
from gonogo.remote import allocation
from gonogo.runtime.context import Run
from gonogo.stages.critical_items import critical_items
from gonogo.stages.freshness import InputDigests, data_digest


def measure_launch(run: Run, inputs: Any, outputs: Any, params: Any) -> None:
    """Raises UserError where the target's cluster would refuse its job."""
    digests = InputDigests(run)
    forecast = Forecast.model_validate_json(Path(inputs.forecast).read_text())
    expected, epochs = run.experiment_config.expected, run.training.epochs
    sample = standing.latest(registry.gate("quality/sample"), run.paths.experiment, run.mode)
    Measurements(
        inputs_digest=digests.launch,
        measured_after=params.measured_after,
        items=critical_items(digests),
        expected_statement=expected.statement,
        issues=run.experiment_config.issues,
        contradictions=[]
        if forecast.steps is None
        else contradictions(expected.timeline, forecast.steps // epochs, epochs, forecast),
        hours=forecast.hours,
        usd=forecast.usd,
        not_forecast=forecast.basis if forecast.hours is None else "",
        usd_per_hour=forecast.usd_per_hour,
        budget_usd=run.config.budget_usd,
        variant=run.experiment if inputs.sweep else "",
        sweep=read_model(SweepPlan, inputs.sweep) if inputs.sweep else None,
        max_hours=most_hours(run),
        approval=approval(run.paths.approval),
        sample_digest=data_digest([run.paths.sample]),
        device_note=run.settings.device.why,
        evidence=[str(sample / "contact_sheet.png")],
    ).write(outputs.measurements)


def most_hours(run: Run) -> float:
    """`max_hours`; of a cluster that gives less, what it gives. Nothing is submitted for that."""
    slurm, hours = run.target.connection, run.target.max_hours
    if not isinstance(slurm, Slurm):
        return hours
    if said := allocation.refusal(slurm, hours):
        raise UserError(f"Slurm would refuse the job of target {run.config.target}: {said}")
    longest = allocation.longest_hours(slurm)
    return hours if longest is None else min(hours, longest)


def approval(path: Path) -> Approval | None:
    """What `gonogo approve` recorded; None where nobody has approved.

    Raises:
        UserError: the file holds something else.
    """
    if not path.exists():
        return None
    try:
        return Approval.model_validate_json(path.read_text())
    except ValueError:
        raise UserError(f"{path}: not an approval; remove it and approve again with: gonogo approve") from None
