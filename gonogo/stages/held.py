"""The runs of ours that are not fetched yet: files below `results_dir`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from gonogo.base.files import read_json, write_json
from gonogo.config.load import Settings
from gonogo.config.result_paths import ResultPaths

REFUSED = ("nan", "stopped_by_gate")  # the run ended by its own decision, and would again


@dataclass(frozen=True)
class StartedRun:
    """A run of ours that is not fetched yet. Its file is no output of the workflow: an interruption keeps it."""

    run_id: str
    key: str
    target: str
    ended: str = ""  # its cause, where it ended badly and what there is of it was fetched

    def write(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> StartedRun | None:
        """None where there is no such file."""
        return cls(**read_json(path)) if path.exists() else None


def started_file(paths: ResultPaths, kind: str) -> Path:
    """Of the run of this kind (canary, or the mode), in the folder of its stage."""
    return (paths.canary if kind == "canary" else paths.cloud_train) / f"{kind}.started.json"


def started_runs(results_dir: Path) -> list[tuple[str, StartedRun]]:
    """Every experiment's runs that are not fetched yet, each with its experiment, the latest last."""
    files = sorted(results_dir.glob("*/*/*/*.started.json"), key=lambda path: path.stat().st_mtime)
    return [(path.relative_to(results_dir).parts[0], run) for path in files if (run := StartedRun.read(path))]


def forget_or_keep(path: Path, cause: str) -> None:
    """What is remembered of a run that ended badly, once it is fetched: one that could resume is, with its cause."""
    run = StartedRun.read(path)
    if run is None or cause in REFUSED:
        path.unlink(missing_ok=True)
    else:
        StartedRun(run.run_id, run.key, run.target, cause).write(path)


def unfetched(settings: Settings) -> list[str]:
    """Runs whose results are not verified here: started and not followed to their end, or ended and not downloaded."""
    results, target = settings.config.results_dir, settings.config.target
    ours = [run.run_id for _, run in started_runs(results) if run.target == target and not run.ended]
    for report in sorted(results.glob("*/*/cloud_train/run.json")):
        archive = report.parents[1] / "download" / "archive.json"
        ran = read_json(report)
        came = read_json(archive) if archive.exists() else {}
        fetched = came.get("run_id") == ran["run_id"] and not came.get("left_on_machine")
        if ran.get("target") == target and not fetched:
            ours.append(ran["run_id"])
    return ours
