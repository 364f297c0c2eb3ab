"""What a run has to show to count as sound: asked before it as open boxes, ticked after it from what it left behind.

A run's folder holds `log.txt`, and in `out/` `training.json`, `metrics.csv` and `checkpoints/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from gonogo.report.log_flags import flags
from gonogo.verdict import Status

STEP = re.compile(r"\bstep \d+/\d+")


@dataclass(frozen=True)
class Criterion:
    """
    Attributes:
        status: UNKNOWN while the run has left nothing that tells.
        evidence: what tells, in words.
    """

    name: str
    status: Status
    evidence: str

    @property
    def box(self) -> str:
        """A line of a Markdown checklist: ticked only by evidence."""
        told = {Status.UNKNOWN: "pending", Status.NO_GO: "FAILED"}.get(self.status, "")
        return f"- [{'x' if self.status.passes else ' '}] {self.name}: {': '.join(filter(None, (told, self.evidence)))}"


@dataclass(frozen=True)
class RunFolderContents:
    """What there is of a run."""

    lines: list[str]
    result: dict[str, Any] | None
    checkpoints: list[str]

    @property
    def ended(self) -> bool:
        return self.result is not None or any("training ended" in line for line in self.lines)


def criteria(run: Path) -> list[Criterion]:
    """Of the run in this folder; all pending where the folder is not there yet."""
    log, result = run / "log.txt", run / "out" / "training.json"
    left = RunFolderContents(
        lines=log.read_text(errors="replace").splitlines() if log.is_file() else [],
        result=json.loads(result.read_text()) if result.is_file() else None,
        checkpoints=sorted(path.name for path in (run / "out" / "checkpoints").glob("*.ckpt")),
    )
    asked: list[tuple[str, Callable[[RunFolderContents], tuple[bool | None, str]]]] = [
        ("Training starts without import errors", _starts),
        ("Data loads and the model takes its first step", _steps),
        ("Loss falls", _falls),
        ("Checkpoints are saved", _saves),
        ("The log raises no red flag", _flags),
        ("Training ends by itself", _ends),
    ]
    found = [(name, *ask(left)) for name, ask in asked]
    status = {None: Status.UNKNOWN, True: Status.GO, False: Status.NO_GO}
    return [Criterion(name, status[met], evidence) for name, met, evidence in found]


def checklist(run: Path) -> str:
    """The criteria as a Markdown list of boxes."""
    return "\n".join(criterion.box for criterion in criteria(run)) + "\n"


def _starts(left: RunFolderContents) -> tuple[bool | None, str]:
    bad = next((line for line in left.lines if re.search(r"ModuleNotFoundError|ImportError", line)), "")
    if bad:
        return False, bad.strip()
    return (True, f"{len(left.lines)} lines of log") if _progress(left) else (None, "")


def _steps(left: RunFolderContents) -> tuple[bool | None, str]:
    seen = _progress(left)
    if seen:
        return True, seen[0].strip()
    return (False, "it ended without a step") if left.ended else (None, "")


def _progress(left: RunFolderContents) -> list[str]:
    return [line for line in left.lines if STEP.search(line)]


def _falls(left: RunFolderContents) -> tuple[bool | None, str]:
    losses = [loss for loss in (left.result or {}).get("train_loss", []) if isinstance(loss, int | float)]
    if len(losses) < 2:
        return None, ""
    part = max(1, len(losses) // 10)
    first, last = fmean(losses[:part]), fmean(losses[-part:])
    return last < first, f"{first:.4g} → {last:.4g}"


def _saves(left: RunFolderContents) -> tuple[bool | None, str]:
    if left.checkpoints:
        return True, ", ".join(left.checkpoints)
    return (False, "none in out/checkpoints") if left.ended else (None, "")


def _flags(left: RunFolderContents) -> tuple[bool | None, str]:
    red = [flag for flag in flags(left.lines) if flag.status is Status.NO_GO]
    if red:
        return False, red[0].meaning
    return (True, "none") if left.ended else (None, "")


def _ends(left: RunFolderContents) -> tuple[bool | None, str]:
    if left.result is None:
        return None, ""
    return not left.result["stopped"], left.result["stopped"] or f"{left.result['steps']} steps"


def files_to_monitor(run: Path) -> list[tuple[Path, str]]:
    """The files of a run that is under way or over, and what to look for in each; only those that are there."""
    out = run / "out"
    table = [
        (run / "log.txt", "every line, with its time; flags: `gonogo review`"),
        (run / "heartbeat.json", "each second: elapsed time, dollars, silence, GPU"),
        (out / "metrics.csv", "loss and validation loss"),
        (out / "in_flight.jsonl", "held-out skill as training goes on"),
        (out / "checkpoints", "best, last and periodic weights"),
        (out / "samples", "predictions every few epochs"),
        (out / "training.json", "written at the end: steps, seconds, memory"),
        (run / "exit.json", "written at the end: how it ended"),
    ]
    return [(path, asks) for path, asks in table if path.exists()]
