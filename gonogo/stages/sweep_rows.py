"""How the variants of a sweep stand, read from their results folders."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from gonogo.base.files import read_json, write_text
from gonogo.config.load import Settings
from gonogo.report.page.state import chain_state
from gonogo.report.sweep_table import VariantRow, best_first, to_csv, to_json, to_markdown


def sweep_rows(settings: Settings, sweep: str) -> list[VariantRow]:
    """One for each variant, the best first."""
    results, mode = settings.config.results_dir, settings.config.mode
    found = []
    for variant in settings.sweeps[sweep]:
        state, paths = chain_state(results, variant.name, mode), settings.paths(variant.name)
        measured = _json(paths.experiment / "learning" / "measurements.json")
        evaluations, trained = measured.get("evaluations") or [{}], _json(paths.smoke_train / "training.json")
        losses = [*(trained.get("train_loss") or [])[-1:], *(trained.get("val_loss") or [])[-1:]]
        stopped = state.stopped.verdict if state.stopped else None
        found.append(
            VariantRow(
                name=variant.name,
                values=dict(variant.values),
                verdict=state.word,
                gates_passed=sum(verdict.go for verdict in state.verdicts),
                stopped_by=" ".join(filter(None, [state.stopped.title, stopped.cause]))
                if state.stopped and stopped
                else "",
                smoke_steps=trained.get("steps"),
                smoke_skill=_number(evaluations[-1].get("skill")),
                smoke_loss=_number(losses[-1]) if losses else None,
                result_skill=_number(_json(paths.results / "measurements.json").get("metrics", {}).get("skill")),
                seconds=sum(row.wall_s for row in state.rows),
                usd=sum(row.usd for row in state.rows),
                forecast_usd=_number((_json(paths.forecast).get("usd") or {}).get("mid")),
            )
        )
    return best_first(found)


def write_table(settings: Settings, sweep: str) -> Path:
    """Write it as Markdown, CSV and JSON; returns the first."""
    rows, folder = sweep_rows(settings, sweep), settings.paths(sweep).in_mode / "sweep"
    write_text(folder / "table.csv", to_csv(rows))
    write_text(folder / "table.json", to_json(rows))
    write_text(folder / "table.md", to_markdown(sweep, rows))
    return folder / "table.md"


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except Exception:  # not there, or half written: nothing is known then
        return {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None
