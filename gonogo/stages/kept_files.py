"""What a halted experiment has on disk: the files that show why, and every folder with its size."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

from gonogo.base.files import survey_size
from gonogo.remote.transfer import was_reported
from gonogo.report.storage import MADE_BY, PAID, StoredFolder
from gonogo.runtime.context import Run
from gonogo.runtime.ledger import Row
from gonogo.training.written_files import CHECKPOINT_ENDINGS
from gonogo.verdict import Verdict

NOT_EVIDENCE = ("token", "halted", "negative_result.md", "verdict.html")  # of a gate's folder


def evidence_paths(run: Run, verdict_file: Path, verdict: Verdict) -> list[Path]:
    """The gate's own folder, what its checks and measurements name, the data, and the fetched run's log and weights."""
    gate, paths = verdict_file.parent, run.paths
    named = [Path(path) for check in verdict.checks for path in check.evidence]
    documents = sorted(path for path in gate.glob("*") if path.is_file() and path.name not in NOT_EVIDENCE)
    data = [paths.sample, *run.shards, paths.smoke_train]
    return [verdict_file, *named, *_named_by_measurements(gate), *documents, *data, *_of_fetched_runs(run)]


def _named_by_measurements(gate: Path) -> list[Path]:
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        said = json.loads((gate / "measurements.json").read_text()).get("evidence", [])
        return [Path(path) for path in said if isinstance(path, str)]
    return []


def _of_fetched_runs(run: Run) -> list[Path]:
    """Of the run that the results are about, where one was fetched."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        folder = Path(json.loads(run.paths.archive.read_text())["folder"])
        weights = [path for path in folder.glob("out/checkpoints/*") if path.name.endswith(CHECKPOINT_ENDINGS)]
        return [folder / "log.txt", folder / "out" / "metrics.csv", *sorted(weights)]
    return []


def stored_folders(run: Run, rows: Sequence[Row]) -> list[StoredFolder]:
    """Of the experiment, in results and archive, but not what a finished download remembers; the largest first.

    Args:
        rows: of its ledger.
    """
    results, archive = run.paths.experiment, run.config.archive_dir / run.experiment
    folders = [(path, path.name) for path in results.glob("*") if path.is_dir()]
    folders += [(path, PAID) for path in archive.glob("*") if path.is_dir() and not was_reported(path)]
    found = [_stored(path, kind, rows) for path, kind in folders]
    return sorted(found, key=lambda folder: -folder.size_bytes)


def _stored(path: Path, kind: str, rows: Sequence[Row]) -> StoredFolder:
    stage = "cloud_train" if kind == PAID else MADE_BY.get(kind)
    own = [row for row in rows if row.stage == stage and row.outcome == "done"]
    last = [row for row in own if row.session == own[-1].session]
    return StoredFolder(
        path=path.as_posix(), kind=kind, size_bytes=survey_size(path)[1],
        again_s=sum(row.wall_s for row in last) if last else None, again_usd=sum(row.usd for row in last),
    )  # fmt: skip
