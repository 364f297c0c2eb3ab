"""What the ledger says of earlier halts: how many of them were followed by a run that passed, and after how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from gonogo.runtime.ledger import Row

HALT = "halt"


@dataclass(frozen=True)
class WayBack:
    """Of all experiments in the ledger, before this invocation."""

    halts: int
    recovered: int  # followed by an invocation of the same experiment that no gate stopped
    median_s: float | None  # from the halt to the start of that one, the fix included


def way_back(rows: Sequence[Row], session: str) -> WayBack:
    """Of every halt but those of this session.

    Args:
        rows: of the whole ledger, in the order in which they were written.
    """
    sessions: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.session != session and row.experiment:
            sessions.setdefault((row.experiment, row.session), []).append(row)
    halts, waits = 0, []
    for (experiment, _), own in sessions.items():
        if not _halted(own):
            continue
        halts += 1
        end = max(row.started_at + row.wall_s for row in own)
        later = [
            other[0].started_at - end
            for (name, _), other in sessions.items()
            if name == experiment and other[0].started_at >= end and _passed(other)
        ]
        waits += [min(later)] if later else []
    return WayBack(halts, len(waits), median(waits) if waits else None)


def _halted(rows: Sequence[Row]) -> bool:
    return any(row.stage == HALT for row in rows)


def _passed(rows: Sequence[Row]) -> bool:
    judged = any(row.stage.startswith("judge_") and row.outcome == "done" for row in rows)
    return judged and not _halted(rows)
