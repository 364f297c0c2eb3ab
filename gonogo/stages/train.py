"""Training on the machine: `python -m gonogo.stages.train RUN.json OUT`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gonogo.base.errors import ProgramError, UserError
from gonogo.base.files import write_text
from gonogo.base.mappings import deep_merged
from gonogo.base.torch_startup import skip_final_gc, without_gc
from gonogo.config.experiment import Training
from gonogo.config.tracking import missing
from gonogo.experiment.contract import Experiment
from gonogo.experiment.lightning import LightningExperiment
from gonogo.experiment.load import load_experiment
from gonogo.training.ranks import end_with_first, rank_of
from gonogo.training.run import train
from gonogo.training.spec import BUDGET, WATCH, RunSpec

if TYPE_CHECKING:
    from lightning.pytorch import Callback

NOT_FINITE, FAILED = 3, 1  # exit codes
STOPPED_BY_GATE, STOPPED = 4, {WATCH: 40, BUDGET: 41}  # exit codes, too
STOPPED_BY = {WATCH: "a bound of `watch`", BUDGET: "its limit"}
UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)
TERMINATED = 128 + signal.SIGTERM  # exit code, as a shell says it


def main(argv: list[str] | None = None) -> int:
    """Train as RUN.json says, leaving everything in OUT.

    Exit code 4: stopped by the learning gate, whose thresholds RUN.json gives. 40: by a bound of `watch`. 41: it would
    go beyond its limit. 3: the loss stopped being a number.
    """
    parser = argparse.ArgumentParser(prog="python -m gonogo.stages.train", description=main.__doc__)
    parser.add_argument("run", type=Path, metavar="RUN.json")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--max-steps", type=int, help="stop after so many optimizer steps, then one of each: a canary")
    parser.add_argument("--resume", type=Path, metavar="CHECKPOINT", help="resume from there")
    parser.add_argument(
        "--changes",
        type=json.loads,
        default={},
        metavar="JSON",
        help="{training: {…}, settings: {…}}, merged over RUN",
    )
    arguments = parser.parse_args(argv)
    spec = RunSpec.model_validate_json(arguments.run.read_text())
    spec = _changed(spec, arguments.changes)
    if arguments.max_steps is not None:
        spec = spec.model_copy(update={"max_steps": arguments.max_steps, "gate": None, "one_of_each": True})
    rank = rank_of(spec.training)
    say = _silent if rank else _say
    if rank:
        end_with_first()
    say(f"training {spec.experiment}: loading")
    experiment = load_experiment(spec.experiment, spec.experiment_config, Path.cwd(), spec.assets)
    experiment.starts_from = spec.starts_from
    experiment.data_at = spec.data[0] if spec.experiment_config.data else None
    try:
        if lacking := missing(spec.tracking):
            raise UserError(lacking)
        watch = None if rank else _learning_gate(experiment, spec, arguments.out)
        result = train(experiment, spec, arguments.out, say, watch=watch, checkpoint=arguments.resume)
    except ProgramError as error:
        print(f"error: {error}", flush=True)
        if error.code < 0:  # whoever supervises sees how it ended
            signal.signal(-error.code, signal.SIG_DFL) if -error.code not in UNCATCHABLE else None
            os.kill(os.getpid(), -error.code)
        return FAILED
    except UserError as error:
        print(f"error: {error}", flush=True)
        return FAILED
    except SystemExit:  # Lightning's answer to SIGTERM, without a code of its own
        print("training was ended by a signal", flush=True)
        return TERMINATED
    if rank:  # ended with the first, whose exit code says how
        return 0
    write_text(arguments.out / "training.json", result.model_dump_json())
    print(
        f"training ended: {result.steps} steps in {result.wall_s:.0f} s; {result.stopped or 'finished'}",
        flush=True,
    )
    if result.cause:
        print(f"stopped by {STOPPED_BY.get(result.cause, 'the learning gate')}: {result.cause}", flush=True)
        return STOPPED.get(result.cause, STOPPED_BY_GATE)
    return 0 if result.finite else NOT_FINITE


def _say(line: str) -> None:
    print(line, flush=True)


def _silent(line: str) -> None:
    """Of ranks beside the first, which would say the same."""


def _learning_gate(experiment: Experiment, spec: RunSpec, out: Path) -> Callback | None:
    """What goes along with a run that the learning gate may stop; not with commands, which show only their losses."""
    if spec.gate is None or not isinstance(experiment, LightningExperiment):
        return None
    if spec.training.shards_weights:
        _say("the learning gate does not go along: with strategy: fsdp no process has the whole model")
        return None
    with without_gc():
        from gonogo.learning.callback import InFlight

    return InFlight(experiment, spec.gate, out, _say)


def _changed(spec: RunSpec, changes: Mapping[str, Any]) -> RunSpec:
    settings = deep_merged(spec.experiment_config.settings, changes.get("settings", {}))
    return spec.model_copy(
        update={
            "training": Training.model_validate({**spec.training.model_dump(), **changes.get("training", {})}),
            "experiment_config": spec.experiment_config.model_copy(update={"settings": settings}),
        }
    )


if __name__ == "__main__":
    code = main()
    skip_final_gc()
    sys.exit(code)
