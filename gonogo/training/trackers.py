"""Where a run's metrics go besides its CSV file: TensorBoard, Weights & Biases, MLflow, Trackio.

Each has a folder of its own below `out/tracking/`, and needs no network. What goes wrong in one of them ends no run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger

from gonogo.config.tracking import FOLDER, Tracker

WANDB_KEY, MLFLOW_SERVER = "WANDB_API_KEY", "MLFLOW_TRACKING_URI"  # variables of the training process


def loggers(
    trackers: Sequence[Tracker], project: str, out: Path, say: Callable[[str], None], part: str = ""
) -> list[SafeLogger]:
    """One for each tracker but `csv`.

    Args:
        project: name under which runs are listed.
        out: the run's `out/`; the folder that it lies in names the run.
        part: of a run in several.
    """
    home = (out / FOLDER).resolve()
    name = "_".join(filter(None, [home.parent.parent.name, part]))
    makers = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow, "trackio": TrackioLogger}
    return [
        SafeLogger(tracker, lambda make=makers[tracker], at=home / tracker: make(at, project, name), say)  # type: ignore[misc]
        for tracker in trackers
        if tracker in makers
    ]


def _tensorboard(folder: Path, project: str, name: str) -> Logger:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="", version=name, default_hp_metric=False)


def _wandb(folder: Path, project: str, name: str) -> Logger:
    """Without a key nothing is asked and nothing is sent: the run's folder is fetched, and can be synced later."""
    import wandb
    from lightning.pytorch.loggers import WandbLogger

    folder.mkdir(parents=True, exist_ok=True)
    offline = not os.environ.get(WANDB_KEY) or os.environ.get("WANDB_MODE") == "offline"
    settings = wandb.Settings(console="off", silent=True, disable_git=True, save_code=False)
    return WandbLogger(name=name, project=project, save_dir=folder, offline=offline, settings=settings)


def _mlflow(folder: Path, project: str, name: str) -> Logger:
    from lightning.pytorch.loggers import MLFlowLogger

    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # the skinny package has no other store than a server
    return MLFlowLogger(project, name, tracking_uri=os.environ.get(MLFLOW_SERVER) or folder.as_uri())


class TrackioLogger(Logger):
    """Trackio, by the part of wandb's interface that it has."""

    def __init__(self, folder: Path, project: str, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["TRACKIO_DIR"] = str(folder)  # read when it is imported
        import trackio

        self._trackio, self._project, self._name = trackio, project, name
        self._run = trackio.init(project=project, name=name, embed=False, auto_log_gpu=False, auto_log_cpu=False)

    @property
    def name(self) -> str:
        return self._project

    @property
    def version(self) -> str:
        return self._name

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._trackio.log(dict(metrics), step=step)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self._run.config.update(dict(params))

    def finalize(self, status: str) -> None:
        self._trackio.finish()


class SafeLogger(Logger):
    """A tracker that is made when it is first used, and given up, with one line, at its first error.

    Args:
        make: gives the logger itself.
    """

    def __init__(self, tracker: str, make: Callable[[], Logger], say: Callable[[str], None]) -> None:
        super().__init__()
        self._tracker, self._make, self._say = tracker, make, say
        self._logger: Logger | None = None
        self._given_up = False

    @property
    def name(self) -> str:
        return self._tracker

    @property
    def version(self) -> str:
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._do(lambda logger: logger.log_metrics(dict(metrics), step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self._do(lambda logger: logger.log_hyperparams(params))

    def save(self) -> None:
        if self._logger is not None:
            self._do(lambda logger: logger.save())

    def finalize(self, status: str) -> None:
        """Write all that there is, so that nothing of the tracker outlives the run."""
        if self._logger is not None:
            self._do(lambda logger: _finish(logger, status))

    def _do(self, work: Callable[[Logger], None]) -> None:
        if self._given_up:
            return
        try:
            self._logger = self._logger or self._make()
            work(self._logger)
        except Exception as error:  # the run is worth more than its record
            self._given_up = True
            self._say(f"🟡 CAUTION tracking: {self._tracker} is switched off: {type(error).__name__}: {error}")


def _finish(logger: Logger, status: str) -> None:
    logger.finalize(status)
    end = getattr(getattr(logger, "experiment", None), "finish", None)
    if end is not None:  # wandb's, whose own process would be left behind
        end()
