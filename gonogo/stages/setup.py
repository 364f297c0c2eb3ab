"""setup: the machine made ready, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.files import write_text
from gonogo.base.shipped import own_or_shipped
from gonogo.base.units import gigabytes
from gonogo.project.requirements import pip_lines
from gonogo.remote.setup import set_up
from gonogo.runtime.context import Run
from gonogo.stages.machine import in_turn

TRAIN_LOCK = "requirements-train.lock"


def setup(run: Run, inputs: Any, outputs: Any) -> None:
    """Make the machine ready; a second time changes nothing.

    Raises:
        UserError: the machine lacks something that the run needs.
    """
    requirements = own_or_shipped(run.settings.root / TRAIN_LOCK, TRAIN_LOCK)
    if own := run.experiment_config.requirements:
        requirements = Path(outputs.setup).with_name("requirements.txt")
        write_text(requirements, "\n".join(pip_lines(run.settings.root / own.expanduser())) + "\n")
    found = in_turn(run, lambda there: set_up(there, run.target, run.settings.accelerator, requirements))
    write_text(outputs.setup, found.model_dump_json(indent=1) + "\n")
    if found.problems:
        raise UserError("the machine is not ready: " + "; ".join(found.problems))
    for caution in found.cautions:
        run.say(f"CAUTION: {caution}")
    run.say(f"{found.device}, torch {found.torch_version}, {gigabytes(found.disk_free_bytes)} free")
