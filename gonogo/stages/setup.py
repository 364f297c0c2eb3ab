"""setup: the machine made ready, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.base.shipped import own_or_shipped
from gonogo.base.units import gigabytes
from gonogo.memory.plan import Plan
from gonogo.remote.machine import Machine
from gonogo.remote.setup import INSTALL_S, RunNeeds, SetupReport, set_up
from gonogo.runtime.context import Run
from gonogo.stages.held_limit import left_s
from gonogo.stages.machine import TRAIN_LOCK, environment, in_turn, is_alone, our_turn, own_packages, workspace
from gonogo.stages.machine_bill import on_the_bill


@on_the_bill
def setup(run: Run, inputs: Any, outputs: Any) -> None:
    """Make the machine ready; a second time changes nothing.

    Raises:
        UserError: the machine lacks something that the run needs.
    """
    requirements = own_or_shipped(run.settings.root / TRAIN_LOCK, TRAIN_LOCK)
    if own := own_packages(run):
        requirements = Path(outputs.setup).with_name("requirements.txt")
        write_text(requirements, "\n".join(own) + "\n")

    def ready(there: Machine) -> SetupReport:
        if is_alone(run):
            our_turn(there, f"{workspace(run)}/runs/setup", install=True)
        install_s = max(1.0, min(INSTALL_S, left_s(run)))
        return set_up(there, run.target, run.settings.accelerator, requirements, needs, environment(run), install_s)

    needs = _needs(run)
    found = in_turn(run, ready)
    write_text(outputs.setup, found.model_dump_json(indent=1) + "\n")
    if found.problems:
        raise UserError("the machine is not ready: " + "; ".join(found.problems))
    for caution in found.cautions:
        run.say(f"CAUTION: {caution}")
    run.say(f"{found.device}, torch {found.torch_version}, {gigabytes(found.disk_free_bytes)} free")


def _needs(run: Run) -> RunNeeds:
    """By the memory plan, where there is one."""
    training = run.training
    if not run.paths.memory_plan.exists():
        return RunNeeds(num_workers=training.num_workers, devices=training.devices)
    plan = Plan.model_validate_json(run.paths.memory_plan.read_text())
    return RunNeeds(
        gpu_bytes=plan.needed_bytes,
        num_workers=training.num_workers,
        batch_bytes=plan.components_bytes.get("batch", 0),
        devices=training.devices,
    )
