"""How to watch a paid run, as lines to paste that work while it is under way; and what its trackers left, after it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from gonogo.config.target import Slurm, Ssh
from gonogo.config.tracking import FOLDER, PACKAGES, missing
from gonogo.remote.allocation import folder_of
from gonogo.report.preflight import CommandToRun
from gonogo.runtime.context import Run
from gonogo.stages.machine import environment, workspace
from gonogo.stages.run_progress import GAUGES_FILE

SYNC_S = 300.0
OFFLINE_RUN = re.compile(r"offline-run-[\w-]{1,80}")
PORT = 6006  # TensorBoard's


def monitoring(run: Run) -> list[CommandToRun]:
    """Lines that follow the run, its card, its costs and its curves."""
    config, folder = run.config, run.paths.cloud_train
    options = {"--target": config.target, "--results": config.results_dir.as_posix()}
    attach = ["gonogo", "attach", run.experiment, *(word for pair in options.items() for word in pair)]
    results = ["--results", config.results_dir.as_posix()]
    found = [
        ("log, time, dollars and GPU of the run, in any terminal", shlex.join(attach)),
        ("the log alone", shlex.join(["tail", "-F", str(folder / "log.txt")])),
        (
            "every 10 s: dollars, GPU memory, use, temperature",
            shlex.join(["tail", "-F", str(folder / GAUGES_FILE)]),
        ),
        ("flags in the log so far, and the run's files", shlex.join(["gonogo", "review", str(folder)])),
        ("what it all has cost so far", shlex.join(["gonogo", "cost", "--experiment", run.experiment, *results])),
        *_of_the_card(run),
        *_of_tensorboard(run),
    ]
    return [CommandToRun(does=does, command=command) for does, command in found]


def _ssh(target: Ssh, *options: str) -> list[str]:
    """Words of an ssh command, without the one that it runs there."""
    words = ["ssh", *options, "-i", str(target.key_file.expanduser())]
    words += ["-p", str(target.port)] if target.port != 22 else []
    words += ["-J", target.jump] if target.jump else []
    return [*words, f"{target.user}@{target.host}"]


def _of_the_card(run: Run) -> list[tuple[str, str]]:
    """The maker's own tool, again and again; none for a processor."""
    accelerator, target = run.settings.accelerator, run.target.connection
    on_cpu = run.settings.device.cpu or "cpu" in accelerator.torch_index or run.target.accelerator == "cpu"
    if on_cpu or isinstance(target, Slurm):
        return []
    watch = "watch -n 5 rocm-smi" if "rocm" in accelerator.torch_index else "nvidia-smi -l 5"
    command = shlex.join([*_ssh(target, "-t"), watch]) if isinstance(target, Ssh) else watch
    return [("the card itself", command)]


def _of_tensorboard(run: Run) -> list[tuple[str, str]]:
    """On the machine, through a tunnel: its files are there while it runs."""
    if "tensorboard" not in run.config.tracking:
        return []
    target, runs = run.target.connection, f"{run.target.root}/{workspace(run)}/runs"
    if not isinstance(target, Ssh):
        results = run.config.results_dir
        job = isinstance(target, Slurm)
        home = (folder_of(results, run.config.target) if job else results / "instance") / "home"
        return [("its curves", shlex.join(["tensorboard", "--logdir", str(home / runs)]))]
    tool = f"{run.target.root}/{environment(run)}/bin/tensorboard --logdir {shlex.quote(runs)} --port {PORT}"
    tunnel = f"{PORT}:localhost:{PORT}"
    return [(f"its curves, at http://localhost:{PORT}", shlex.join([*_ssh(target, "-t", "-L", tunnel), tool]))]


def tracked(run: Run, folder: Path) -> None:
    """Say how to look at what the trackers of a fetched run left; wandb's runs are synced where this shell has a key.

    Args:
        folder: the run's, in the archive.
    """
    home = folder / "out" / FOLDER
    look = {
        "tensorboard": ["tensorboard", "--logdir", str(home / "tensorboard")],
        "mlflow": ["mlflow", "ui", "--backend-store-uri", str(home / "mlflow")],
        "trackio": ["env", f"TRACKIO_DIR={home / 'trackio'}", "trackio", "show"],
    }
    for tracker, words in look.items():
        if tracker in run.config.tracking and (home / tracker).is_dir():
            run.say(f"tracked: {shlex.join(words)}")
    if "wandb" in run.config.tracking and (offline := offline_runs(home / "wandb" / "wandb")):
        _sync(run, offline)


def offline_runs(folder: Path) -> list[Path]:
    """Of wandb; their names come from the machine."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if OFFLINE_RUN.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]


def _sync(run: Run, runs: list[Path]) -> None:
    """A sync that fails loses nothing: the folders stay, and the line is said."""
    words = ["sync", *map(str, runs)]
    line = shlex.join(["wandb", *words])
    if not os.environ.get("WANDB_API_KEY") or missing(["wandb"]):
        run.say(f"tracked offline; to sync it: {line} ({PACKAGES['wandb'].requirement}, WANDB_API_KEY or wandb login)")
        return
    try:
        done = subprocess.run(
            [sys.executable, "-m", "wandb", *words],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=SYNC_S, check=False,
        )  # fmt: skip
        problem = f"exit code {done.returncode}" if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = f"not within {SYNC_S:g} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
    run.say(f"CAUTION: wandb was not synced ({problem}); sync it by hand: {line}" if problem else "synced with wandb")
