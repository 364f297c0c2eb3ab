"""What a run has to show to count as sound: open boxes before it, ticked after it from what it left behind.

A run's folder holds `log.txt`, and in `out/` `training.json`, `metrics.csv` and `checkpoints/`. That of a paid run here
has no `out/` before the download, only the `checkpoints/` that came while it trained.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from gonogo.base.text import clean
from gonogo.report.log_flags import Flag, LogLines, flags
from gonogo.training.spec import TrainingResult
from gonogo.verdict import Status

STEP = re.compile(r"\bstep \d+/\d+")
EVIDENCE_CHARACTERS = 400
NAMED = 5  # of checkpoints


@dataclass(frozen=True)
class Criterion:
    """One thing that a sound run shows."""

    name: str
    status: Status  # UNKNOWN while the run has left nothing that tells
    evidence: str  # what tells, in words

    @property
    def box(self) -> str:
        """A line of a Markdown checklist: ticked only by evidence."""
        tick, state = "x" if self.status.passes else " ", {Status.UNKNOWN: "pending", Status.NO_GO: "FAILED"}
        return f"- [{tick}] {self.name}: {': '.join(filter(None, (state.get(self.status), self.evidence)))}"


@dataclass(frozen=True)
class RunFolderContents:
    """What there is of a run."""

    lines: LogLines
    result: TrainingResult | None  # what training wrote at its end; None: nothing that can be read
    broken: bool  # whether there is a result that training cannot have written
    checkpoints: list[str]
    whole: bool  # whether all that it wrote is here

    @property
    def ended(self) -> bool:
        return self.result is not None or self.broken or any("training ended" in line for line in self.lines)


def _contents(run: Path) -> RunFolderContents:
    written = run / "out" / "training.json"
    result, broken = None, False
    try:
        result = TrainingResult.read(written) if written.is_file() else None
    except ValueError:  # it came from another machine
        broken = True
    return RunFolderContents(
        lines=LogLines(run / "log.txt"),
        result=result,
        broken=broken,
        checkpoints=sorted({path.name for part in (run / "out", run) for path in part.glob("checkpoints/*.ckpt")}),
        whole=(run / "out").is_dir(),
    )


def criteria(run: Path, raised: Sequence[Flag] | None = None) -> list[Criterion]:
    """Of the run in this folder; all pending where the folder is not there yet.

    Args:
        raised: the flags of its log; None: they are looked for.
    """
    left = _contents(run)
    if raised is None:
        raised = flags(left.lines)
    asked: list[tuple[str, Callable[[RunFolderContents], tuple[bool | None, str]]]] = [
        ("Training starts without import errors", _starts),
        ("Data loads and the model takes its first step", _steps),
        ("Loss falls", _falls),
        ("Checkpoints are saved", _saves),
        ("The log raises no red flag", lambda left: _flags(left, raised)),
        ("Training ends by itself", _ends),
    ]
    answers = [(name, *ask(left)) for name, ask in asked]
    status = {None: Status.UNKNOWN, True: Status.GO, False: Status.NO_GO}
    return [Criterion(name, status[met], clean(evidence[:EVIDENCE_CHARACTERS])) for name, met, evidence in answers]


def _starts(left: RunFolderContents) -> tuple[bool | None, str]:
    bad = next((line for line in left.lines if re.search(r"ModuleNotFoundError|ImportError", line)), "")
    if bad:
        return False, bad
    return (True, f"{sum(1 for _ in left.lines)} lines of log") if _first_step(left) else (None, "")


def _steps(left: RunFolderContents) -> tuple[bool | None, str]:
    if seen := _first_step(left):
        return True, seen
    return (False, "it ended without a step") if left.ended else (None, "")


def _first_step(left: RunFolderContents) -> str:
    return next((line for line in left.lines if STEP.search(line)), "")


def _falls(left: RunFolderContents) -> tuple[bool | None, str]:
    losses = left.result.train_loss if left.result else []
    if len(losses) < 2:
        return None, ""
    part = max(1, len(losses) // 10)
    first, last = fmean(losses[:part]), fmean(losses[-part:])
    return last < first, f"{first:.4g} → {last:.4g}"


def _saves(left: RunFolderContents) -> tuple[bool | None, str]:
    if names := left.checkpoints:
        more = f", {len(names)} in all" if len(names) > NAMED else ""
        return True, ", ".join(names[:NAMED]) + more
    return (False, "none in out/checkpoints") if left.ended and left.whole else (None, "")


def _flags(left: RunFolderContents, raised: Sequence[Flag]) -> tuple[bool | None, str]:
    red = [flag for flag in raised if flag.status is Status.NO_GO]
    if red:
        return False, red[0].meaning
    return (True, "none") if left.ended else (None, "")


def _ends(left: RunFolderContents) -> tuple[bool | None, str]:
    if left.broken:
        return False, "out/training.json is not what training writes"
    if left.result is None:
        return None, ""
    return not left.result.stopped, left.result.stopped or f"{left.result.steps} steps"


def files_to_monitor(run: Path) -> list[tuple[Path, str]]:
    """The files of a run that is under way or over, and what to look for in each; only those that are there.

    While it is under way on the machine, its folder here is `results/EXPERIMENT/MODE/cloud_train`.
    """
    out = run / "out"
    table = [
        (run / "log.txt", "every line, with its time; flags: `gonogo review`"),
        (run / "gauges.csv", "every 10 s: time, dollars of run and machine, GPU memory, use and temperature"),
        (run / "checkpoints", "the newest and the best, as they were downloaded last"),
        (run / "heartbeat.json", "written each second: elapsed time, dollars, silence, GPU"),
        (out / "metrics.csv", "loss and validation loss"),
        (out / "tracking", "what `tracking` asks for: tensorboard, wandb, mlflow, trackio; a command's gauges.csv"),
        (out / "in_flight.jsonl", "held-out skill as training goes on"),
        (out / "checkpoints", "best, last and periodic weights"),
        (out / "samples", "predictions every few epochs"),
        (out / "training.json", "written at the end: steps, seconds, memory"),
        (run / "exit.json", "written at the end: how it ended"),
    ]
    return [(path, asks) for path, asks in table if path.exists()]
