"""What an experiment starts from: the final checkpoint of an earlier one, or a file."""

from __future__ import annotations

import json
from pathlib import Path

from gonogo.agent.checkpoints import is_packed
from gonogo.base.commands import rerun_command
from gonogo.base.errors import UserError
from gonogo.config.load import Settings
from gonogo.gates import standing


def final_checkpoint(archive: Path) -> Path:
    """The best checkpoint of an archive, from the report of its download.

    Raises:
        UserError: there is none, or one that would fill the memory of whoever opens it.
    """
    folder = Path(json.loads(archive.read_text())["folder"])
    for name in ("best.ckpt", "last.ckpt"):
        checkpoint = folder / "out" / "checkpoints" / name
        if checkpoint.exists():
            if is_packed(checkpoint):
                raise UserError(
                    f"{checkpoint}: unpacks to far more than it is, as no checkpoint of torch does: it was not opened. "
                    "Check the machine that it comes from before using it again."
                )
            return checkpoint
    raise UserError(f"{folder}: no checkpoint in out/checkpoints. Download again: {rerun_command(forcerun='download')}")


def start_of(settings: Settings, experiment: str) -> Path | None:
    """The checkpoint that training begins with; None where there is none to begin with, or none yet."""
    start = settings.experiments[experiment].starts_from
    if start is None:
        return None
    if not isinstance(start, str):
        return settings.root / start.checkpoint.expanduser()
    archive = settings.paths(start).archive
    return final_checkpoint(archive) if archive.exists() else None


def waiting(settings: Settings) -> list[str]:
    """A line for each experiment that could not train, because the one that it starts from was stopped."""
    found = []
    for name, config in settings.experiments.items():
        if isinstance(config.starts_from, str) and (why := _stopped(settings, config.starts_from)):
            found.append(f"{name} has not been trained: it starts from {config.starts_from}, {why}")
    return found


def _stopped(settings: Settings, name: str) -> str:
    """Which gate stopped an experiment, in words; empty where none did."""
    paths = settings.paths(name)
    last = next(reversed(standing.verdicts(paths.experiment, paths.mode)), None)
    if last is not None and not last.go and not last.more:
        return f"which the {last.title} gate stopped: {last.summary}"
    start = settings.experiments[name].starts_from
    return f"which waits for {start}" if isinstance(start, str) and _stopped(settings, start) else ""
