"""What stands below the first screen: pictures, curves, memory, forecast, costs, as far as their files are there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from markupsafe import Markup
from pydantic import BaseModel, ValidationError

from gonogo.base.files import read_json
from gonogo.base.units import dollars, duration
from gonogo.config.result_paths import ResultPaths
from gonogo.forecast.forecast import Forecast
from gonogo.learning.measurements import Measurements
from gonogo.memory.plan import Plan
from gonogo.report.curves import LossCurve, curve_of
from gonogo.report.page.charts import MemorySlice, loss_chart, memory_chart, range_chart, slices
from gonogo.report.page.pictures import PagePicture, embedded
from gonogo.report.page.state import ChainState
from gonogo.training.spec import TrainingResult

SMOKE = "Smoke run"  # a curve's title begins so
M = TypeVar("M", bound=BaseModel)
SHEETS = (
    ("quality/dataset", "The data set"),
    ("quality/sample", "The sample"),
    ("results", "Predictions for held-out items"),
)


@dataclass(frozen=True)
class Sheet:
    """One contact sheet, or one page of distributions."""

    title: str
    picture: PagePicture
    path: str


@dataclass(frozen=True)
class DrawnCurve:
    title: str
    chart: Markup
    marks: int  # measurements during the run

    @property
    def is_smoke(self) -> bool:
        return self.title.startswith(SMOKE)


@dataclass(frozen=True)
class MemoryBar:
    accelerator: str
    needed_bytes: int
    capacity_bytes: int | None
    slices: list[MemorySlice]
    micro_batch_size: int
    curve: Markup  # over the step; empty: it was not traced


@dataclass(frozen=True)
class Interval:
    """A forecast beside what came."""

    name: str
    said: str
    actual: str
    chart: Markup


@dataclass(frozen=True)
class StageSum:
    """One stage, all of its executions together."""

    stage: str
    wall_s: float
    usd: float
    share: float  # of the longest, in percent


@dataclass(frozen=True)
class Sections:
    sheets: list[Sheet] = field(default_factory=list)
    distributions: list[Sheet] = field(default_factory=list)
    curves: list[DrawnCurve] = field(default_factory=list)
    memory: MemoryBar | None = None
    intervals: list[Interval] = field(default_factory=list)
    costs: list[StageSum] = field(default_factory=list)


def sections(state: ChainState) -> Sections:
    """Everything that the experiment has left so far."""
    paths = ResultPaths(state.folder, state.mode)
    return Sections(
        sheets=_pictures(state, "contact_sheet.png"),
        distributions=_pictures(state, "distributions.svg"),
        curves=_curves(state, paths),
        memory=memory_bar(paths),
        intervals=_intervals(paths),
        costs=_costs(state),
    )


def read(model: type[M], path: Path) -> M | None:
    """What a stage wrote; None where it is not there, half written, or another version's."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(read_json(path))
    except Exception:
        return {}


def _pictures(state: ChainState, name: str) -> list[Sheet]:
    folders = {light.gate.path: light.folder for light in state.lights}
    found = []
    for gate, title in SHEETS:
        path = folders[gate] / name
        if state.holds(path) and (picture := embedded(path)):
            found.append(Sheet(title, picture, path.as_posix()))
    return found


def _curves(state: ChainState, paths: ResultPaths) -> list[DrawnCurve]:
    drawn = [(curve.title, loss_chart(curve, marks), len(marks)) for curve, marks in _losses(state, paths)]
    return [DrawnCurve(*curve) for curve in drawn if curve[1]]


def loss_curves(state: ChainState, most_points: int) -> list[LossCurve]:
    """Of the smoke run and the paid run, as far as there are any, thinned."""
    return [curve.thinned(most_points) for curve, _ in _losses(state, ResultPaths(state.folder, state.mode))]


def _losses(state: ChainState, paths: ResultPaths) -> Iterator[tuple[LossCurve, list[tuple[int, float]]]]:
    """With step → skill as it was measured during the run."""
    measured = read(Measurements, paths.smoke_train / "measurements.json") or read(
        Measurements, paths.experiment / "learning" / "measurements.json"
    )
    smoke = read(TrainingResult, paths.smoke_train / "training.json")
    if smoke and measured:
        title = f"{SMOKE}, {smoke.steps:,} steps on {smoke.device}"
        marks = [(at.step, at.skill) for at in measured.evaluations if at.skill is not None]
        yield curve_of(smoke, measured, state.experiment).model_copy(update={"title": title}), marks
    paid = _json(paths.paid_run)
    with contextlib.suppress(ValidationError, KeyError):
        run = TrainingResult.model_validate(paid["result"])
        title = f"Paid run, {run.steps:,} steps on {run.device}"
        yield curve_of(run, measured, state.experiment).model_copy(update={"title": title}), []


def memory_bar(paths: ResultPaths) -> MemoryBar | None:
    plan = read(Plan, paths.memory_plan)
    if plan is None or plan.needed_bytes is None:
        return None
    bar = slices(plan.components_bytes, plan.capacity_bytes)
    drawn = memory_chart(plan.estimate.curve) if plan.estimate.curve else Markup("")
    size = plan.estimate.micro_batch_size
    return MemoryBar(plan.accelerator, plan.needed_bytes, plan.capacity_bytes, bar, size, drawn)


def _intervals(paths: ResultPaths) -> list[Interval]:
    planned = read(Forecast, paths.forecast)
    paid = _json(paths.paid_run)
    if planned is None:
        return []
    hours = _number(paid.get("hours"))
    usd = _number(paid.get("usd"))
    found = []
    for name, of, actual, form in (
        ("Time", planned.hours, hours, lambda value: duration(3600 * value)),
        ("Cost", planned.usd, usd, dollars),
    ):
        if of is None or of.high <= 0:
            continue
        said = f"forecast {form(of.mid)}, from {form(of.low)} to {form(of.high)}"
        came = form(actual) if actual is not None else ""
        chart = range_chart(name, of.low, of.mid, of.high, actual, f"{said}; {'actual ' + came if came else 'not run'}")
        found.append(Interval(name, said, came, chart))
    return found


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _costs(state: ChainState) -> list[StageSum]:
    total: dict[str, tuple[float, float]] = {}
    for row in state.rows:
        wall, usd = total.get(row.stage, (0.0, 0.0))
        total[row.stage] = (wall + row.wall_s, usd + row.usd)
    longest = max((wall for wall, _ in total.values()), default=0.0) or 1.0
    return [StageSum(stage, wall, usd, 100 * wall / longest) for stage, (wall, usd) in total.items()]


def total(costs: Sequence[StageSum]) -> tuple[float, float]:
    return sum(cost.wall_s for cost in costs), sum(cost.usd for cost in costs)
