"""Keep what a run was in the ledger, once its invocation ends: the next one writes over its results."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import math
import platform
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gonogo.base.digests import digest, file_digest
from gonogo.base.errors import UserError
from gonogo.base.files import read_json
from gonogo.base.mappings import flat
from gonogo.base.text import clean
from gonogo.config.load import Settings
from gonogo.config.result_paths import ResultPaths
from gonogo.config.tracking import FOLDER
from gonogo.report.page.pictures import proof
from gonogo.report.page.sections import SHEETS, loss_curves
from gonogo.report.page.state import LEDGER, ChainState, chain_state
from gonogo.report.run_record import KeptPicture, RunRecord
from gonogo.runtime import ledger, run_table
from gonogo.runtime.run_table import Found
from gonogo.stages.page import WITH_QUERY, commit_of
from gonogo.verdict import Verdict, worst

MOST_POINTS = 400  # of a curve
VIEWERS = {
    "tensorboard": "tensorboard --logdir {}",
    "mlflow": "env MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {}",
    "wandb": "wandb sync {}/wandb/*",
    "trackio": "env TRACKIO_DIR={} trackio show",
}


def keep_run(settings: Settings, experiment: str, session: str, rows: Sequence[ledger.Row]) -> None:
    """Record an experiment's part of an invocation.

    Args:
        rows: of this experiment in this invocation.
    """
    results = settings.config.results_dir
    state = chain_state(results, experiment, settings.config.mode)
    stopped = state.stopped.verdict if state.stopped else None
    word = _word(state, rows)
    pictures = _pictures(state)
    asked = _settings(settings, experiment, state)
    record = RunRecord(
        session=session, experiment=experiment, mode=settings.config.mode, word=word, note=settings.config.note,
        origin=_origin(settings, state), settings=asked, verdicts=[_bare(verdict) for verdict in state.verdicts],
        metrics=_metrics(state, results_only=False), pictures=[picture for picture, _ in pictures],
        curves=loss_curves(state, MOST_POINTS), viewers=_viewers(state),
    )  # fmt: skip
    found = Found(
        verdict=word, metrics=_metrics(state, results_only=True),
        data_digest=record.digests().get("quality (dataset)", ""),
        settings_digest=digest({key: value for key, value in asked.items() if key != "mode"}),
    )  # fmt: skip
    if stopped and word == stopped.status.label:
        found = dataclasses.replace(
            found, gate=stopped.title, cause=stopped.cause, summary=stopped.summary,
            judged_digest=stopped.inputs_digest, saved_s=stopped.saved.seconds, saved_usd=stopped.saved.usd,
        )  # fmt: skip
    new = {it.digest: path for it, path in pictures if not run_table.picture(results / LEDGER, it.digest)}
    addresses = {name: str(shown.address) for name, path in new.items() if (shown := proof(path))}
    run_table.keep(results / LEDGER, session, experiment, found, record.model_dump_json(), addresses)


def _word(state: ChainState, rows: Sequence[ledger.Row]) -> str:
    """Of this invocation: an older verdict is none of a run that did not come so far."""
    bad = next((row for row in rows if row.outcome in ("failed", "interrupted", ledger.CRASHED)), None)
    if bad and bad.stage != "halt":
        return bad.outcome.upper()
    if state.stopped and state.stopped.verdict:
        return state.stopped.verdict.status.label
    return worst(verdict.status for verdict in state.verdicts).label if state.finished else "UNFINISHED"


def _bare(verdict: Verdict) -> Verdict:
    """Without the files that it names: those are of the next run."""
    return verdict.model_copy(update={"checks": [it.model_copy(update={"evidence": []}) for it in verdict.checks]})


def _settings(settings: Settings, experiment: str, state: ChainState) -> dict[str, Any]:
    own = settings.experiments[experiment].model_dump(mode="json", by_alias=True, exclude={"modes"})
    training = settings.training(experiment).model_dump(mode="json")
    with contextlib.suppress(OSError, UserError):
        training = read_json(ResultPaths(state.folder, settings.config.mode).training)
    gates = settings.gates[experiment].model_dump(mode="json")
    config = {"mode": settings.config.mode, "target": settings.config.target, "budget_usd": settings.config.budget_usd}
    every = flat({**config, "accelerator": settings.target.accelerator, **own, "training": training, "gates": gates})
    return {clean(key): _plain(value) for key, value in every.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, (bool, int)) else clean(WITH_QUERY.sub(r"\1?…", str(value)))


def _origin(settings: Settings, state: ChainState) -> dict[str, str]:
    found = {
        "gonogo": importlib.metadata.version("gonogo"), "Python": platform.python_version(),
        "commit": commit_of(settings.root), "target": settings.config.target,
    }  # fmt: skip
    paid = _read(ResultPaths(state.folder, state.mode).paid_run)
    archive = _read(ResultPaths(state.folder, state.mode).archive)
    if _got_to(state, "results"):
        found |= {"paid run": clean(paid.get("run_id", "")), "downloaded to": clean(archive.get("folder", ""))}
    return {name: value for name, value in found.items() if value}


def _metrics(state: ChainState, *, results_only: bool) -> dict[str, float | None]:
    """What the results gate measured; else with what the gates before it measured in figures."""
    paths = ResultPaths(state.folder, state.mode)
    found: dict[str, Any] = {}
    if _got_to(state, "results"):
        found |= _mapping(_read(paths.results / "measurements.json").get("metrics"))
    if not results_only:
        end = _read(paths.experiment / "learning" / "measurements.json") if _got_to(state, "learning") else {}
        looks = end.get("evaluations") or []
        if isinstance(looks, list) and looks and isinstance(looks[-1], dict):
            found["smoke run: skill"] = looks[-1].get("skill")
        if _got_to(state, "memory"):
            found["memory needed (bytes)"] = _read(paths.memory_plan).get("asked_bytes")
        if _got_to(state, "launch"):
            planned = _read(paths.forecast)
            found |= {f"forecast: {name}": _mapping(planned.get(name)).get("mid") for name in ("hours", "usd")}
        if _got_to(state, "results"):
            paid = _read(paths.paid_run)
            result = _mapping(paid.get("result"))
            found |= {f"paid run: {name}": paid.get(name) for name in ("hours", "usd")}
            found |= {f"paid run: last {name}": (result.get(name) or [None])[-1] for name in ("train_loss", "val_loss")}
    figures = {clean(name): value for name, value in found.items() if isinstance(value, (int, float))}
    return {name: float(value) if math.isfinite(value) else None for name, value in figures.items()}


def _got_to(state: ChainState, gate: str) -> bool:
    return any(light.gate.path == gate and light.verdict for light in state.lights)


def _pictures(state: ChainState) -> list[tuple[KeptPicture, Path]]:
    """The contact sheets of the gates that judged, each with its file."""
    folders = {light.gate.path: light.folder for light in state.lights if light.verdict}
    sheets = [(title, folders[gate] / "contact_sheet.png") for gate, title in SHEETS if gate in folders]
    there = [(title, path) for title, path in sheets if state.holds(path)]
    return [(KeptPicture(title=title, digest=file_digest(path)), path) for title, path in there]


def _viewers(state: ChainState) -> list[str]:
    """What opens the folders that trackers left in the downloaded run."""
    if not _got_to(state, "results"):
        return []
    archive = Path(str(_read(ResultPaths(state.folder, state.mode).archive).get("folder", "")))
    home = archive / "out" / FOLDER
    return [
        command.format(shlex.quote(str((home / tracker).resolve())))
        for tracker, command in VIEWERS.items()
        if (home / tracker).is_dir()
    ]


def _read(path: Path) -> Mapping[str, Any]:
    """Empty where it is not there, or not what was written."""
    try:
        return read_json(path)
    except (OSError, ValueError, UserError):
        return {}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
