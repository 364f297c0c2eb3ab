"""Runs of the ledger as rows of a table, and what the NO-GOs among them have saved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from gonogo.base.units import dollars, duration
from gonogo.report.tables import aligned
from gonogo.report.wording import number
from gonogo.runtime import run_table
from gonogo.runtime.run_table import Found, RunLine

HEADS = ("run", "mode", "verdict", "stopped at", "data", "settings", "metrics", "stages", "cost", "note")
FIGURES = ("stages", "cost")
DIGEST = 8  # characters that are shown
MOST_METRICS = 3
ESTIMATE = "an estimate: what their forecasts said that the rest would take"


def run_rows(runs: Sequence[RunLine]) -> list[dict[str, Any]]:
    """For CSV and JSON, without nesting. What was not recorded is null."""
    return [_row(run) for run in runs]


def _row(run: RunLine) -> dict[str, Any]:
    found = run.found or Found()
    return {
        "run": run.name, "experiment": run.experiment, "mode": run.mode,
        "began_at": dt.datetime.fromtimestamp(run.began_at, dt.UTC).isoformat(timespec="seconds"),
        "verdict": run.word, "stopped_at": found.gate or None, "cause": found.cause or None,
        "summary": found.summary or None, "data_digest": found.data_digest or None,
        "settings_digest": found.settings_digest or None, "stages_s": round(run.stages_s, 3),
        "usd": round(run.usd, 6), "saved_s_estimate": found.saved_s, "saved_usd_estimate": found.saved_usd,
        "note": run.note, **{f"metric.{name}": value for name, value in found.metrics.items()},
    }  # fmt: skip


def run_text(runs: Sequence[RunLine]) -> str:
    """One line for each run."""
    return aligned(HEADS, [_cells(run) for run in runs], FIGURES)


def _cells(run: RunLine) -> list[str]:
    found = run.found or Found()
    metrics = [f"{name} {number(value)}" for name, value in found.metrics.items() if value is not None]
    return [
        run.name, run.mode, run.word, ": ".join(filter(None, (found.gate, found.cause))), found.data_digest[:DIGEST],
        found.settings_digest[:DIGEST], ", ".join(metrics[:MOST_METRICS]), duration(run.stages_s), dollars(run.usd),
        run.note,
    ]  # fmt: skip


def saved_rows(runs: Sequence[RunLine]) -> list[dict[str, Any]]:
    return [
        {"run": run.name, "gate": run.found.gate, "cause": run.found.cause, "seconds": run.found.saved_s,
         "usd": run.found.saved_usd}
        for run in run_table.saved(runs) if run.found
    ]  # fmt: skip


def saved_text(runs: Sequence[RunLine]) -> str:
    """What the NO-GOs saved together; empty where there was none."""
    rows = saved_rows(runs)
    if not rows:
        return ""
    seconds = sum(row["seconds"] or 0.0 for row in rows)
    usd = sum(row["usd"] or 0.0 for row in rows)
    unknown = sum(row["seconds"] is None and row["usd"] is None for row in rows)
    count = "1 NO-GO" if len(rows) == 1 else f"{len(rows)} NO-GOs"
    if unknown == len(rows):
        return f"saved by {count}: not known, as there was no forecast yet"
    but = f"; of {unknown} of them it is not known" if unknown else ""
    return f"saved by {count}: about {dollars(usd)} and {duration(seconds)} ({ESTIMATE}{but})"
