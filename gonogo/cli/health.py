"""`gonogo health`: this machine's devices, step by step, and whether it is ready to train."""

from __future__ import annotations

import argparse
from pathlib import Path

from gonogo.cli import site
from gonogo.config.load import load_experiment
from gonogo.gates import standing
from gonogo.health.device_ladder import climb, verdict
from gonogo.health.readiness import readiness


def add_health(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code: 0 something can train, 1 nothing can, 2 it could not be tested."
    parser.set_defaults(run=_run, on_error=2)
    parser.add_argument("--device", choices=["cuda", "cpu"], help="test only this one; with cpu, no GPU is touched")
    parser.add_argument("--experiment", default="", help="also judge whether this experiment is ready")
    parser.add_argument("--gib", type=float, default=0.1, metavar="GIB", help="memory to fill and read back")
    parser.add_argument("--rung-seconds", type=float, default=60.0, metavar="S", help="time limit of each test")
    site.add_results(parser)


def _run(arguments: argparse.Namespace) -> int:
    experiment = load_experiment(Path("config/experiments"), arguments.experiment) if arguments.experiment else None
    learning = None
    if arguments.experiment:
        verdicts = standing.verdicts(site.results_dir(arguments) / arguments.experiment, mode="")
        learning = next((verdict for verdict in verdicts if verdict.gate == "learning"), None)
    tried = {}
    for device in [arguments.device] if arguments.device else ["cuda", "cpu"]:
        tried[device] = climb(device, int(arguments.gib * (1 << 30)), arguments.rung_seconds)
        site.show(verdict(tried[device], device))
    for part in readiness(tried.get("cuda"), tried.get("cpu"), experiment, learning):
        print(f"{part.status.light} {part.name}: {part.because}")
    return 0 if any(found.healthy for found in tried.values()) else 1
