"""Charts of the page as SVG, drawn with the page's own colours, so that light, dark and print suit them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from gonogo.base.text import clean
from gonogo.base.units import gigabytes
from gonogo.memory.step_curve import StepCurve
from gonogo.report.curves import LossCurve
from gonogo.report.wording import number
from gonogo.verdict import Check

WIDE, HIGH = 560, 260
LEFT, RIGHT, TOP, BELOW = 56, 12, 14, 38
MOST_POINTS = 400
NAMED_PHASES = ("forward", "backward", "optimizer", "validation")  # of a step; the rest is short
LEAST_APART = 75  # pixels between the names of two phases
LOG_FROM_RATIO = 30  # largest over smallest loss, from which a linear axis hides the end of the run
_LIMIT = re.compile(r"\s*(<=|>=|<|>|at least|at most)\s*(\d[\d,]*(?:\.\d+)?)")


@dataclass(frozen=True)
class Meter:
    """A measured value against what is asked of it, both as percentages of a scale."""

    value: float
    limit: float
    at_least: bool


def meter(check: Check) -> Meter | None:
    """None where value or threshold is no plain number."""
    found = _LIMIT.match(check.threshold)
    value = check.value
    if not found or isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    limit = float(found[2].replace(",", ""))
    if not math.isfinite(value) or value < 0:
        return None
    of_hundred = check.unit.startswith("%") and max(value, limit) <= 100
    full = 100.0 if of_hundred else 1.25 * max(value, limit) or 1.0
    return Meter(100 * value / full, 100 * limit / full, found[1] in (">=", ">", "at least"))


def loss_chart(curve: LossCurve, marks: Sequence[tuple[int, float]] = ()) -> Markup:
    """Training and validation loss with their baselines; empty where there are fewer than two losses.

    Args:
        marks: step → skill on held-out samples, as measured during the run.
    """
    train = _known(curve.steps, curve.train_loss)
    validation = _known(curve.val_steps, curve.val_loss)
    baselines = {name: value for name, value in curve.baselines.items() if math.isfinite(value)}
    shown = [loss for _, loss in [*train, *validation]] + list(baselines.values())
    if len(train) + len(validation) < 2:
        return Markup("")
    last = max(step for step, _ in [*train, *validation]) or 1
    axis = _Axis.of(shown)

    def at(step: float, loss: float) -> str:
        return f"{_x(step / last):.1f},{axis.y(loss):.1f}"

    parts = [axis.grid()]
    labels = _apart([axis.y(value) for value in baselines.values()])
    for (name, value), label in zip(baselines.items(), labels, strict=True):
        y = axis.y(value)
        parts.append(f'<path class="baseline" d="M{LEFT} {y:.1f}H{WIDE - RIGHT}"/>')
        parts.append(_text(WIDE - RIGHT - 4, label, f"{clean(name)}: {number(value)}", "end"))
    parts.append(_line("faint train", [at(*point) for point in _thinned(train)]))
    parts.append(_line("train", [at(*point) for point in _thinned(_smoothed(train))]))
    parts.append(_line("validation", [at(*point) for point in _thinned(validation)]))
    parts += [_mark(step / last, f"step {step}: skill {number(skill)}") for step, skill in marks]
    parts.append(_text(LEFT, HIGH - 8, "0", "start"))
    parts.append(_text(WIDE - RIGHT, HIGH - 8, f"{last:,} optimizer steps", "end"))
    said = (
        f"{curve.title}. Training loss from {number(train[0][1])} to {number(train[-1][1])}" if train else curve.title
    )
    if validation:
        said += f"; validation loss at the end {number(validation[-1][1])}"
    said += "".join(f"; {name}: {number(value)}" for name, value in baselines.items())
    return _svg(parts, HIGH, said)


def range_chart(name: str, low: float, mid: float, high: float, actual: float | None, said: str) -> Markup:
    """A forecast's range as a bar with its middle, and what came as a mark."""
    top = 1.15 * max(high, actual or 0.0) or 1.0
    begin, middle, end = (_x(value / top, 8, 8) for value in (low, mid, high))
    parts = [
        f'<path class="rail" d="M8 22H{WIDE - 8}"/>',
        f'<rect class="range" x="{begin:.1f}" y="14" width="{max(3.0, end - begin):.1f}" height="16" rx="4"/>',
        f'<path class="middle" d="M{middle:.1f} 12V32"/>',
    ]
    if actual is not None:
        x = _x(actual / top, 8, 8)
        parts.append(f'<path class="actual" d="M{x:.1f} 6l6 -6h-12zM{x:.1f} 6V36"/>')
    return _svg(parts, 40, f"{name}: {said}")


def memory_chart(curve: StepCurve) -> Markup:
    """What a step has allocated from its begin to its end; empty where there are fewer than two points."""
    if len(curve.live_bytes) < 2:
        return Markup("")
    top, last = max(curve.live_bytes) or 1, len(curve.live_bytes) - 1
    base = HIGH - BELOW

    def y(size_bytes: float) -> float:
        return base - size_bytes / (1.08 * top) * (base - TOP)

    points = [f"{_x(index / last):.1f},{y(size):.1f}" for index, size in enumerate(curve.live_bytes)]
    parts = [f'<polygon class="area" points="{_x(0):.1f},{base} {" ".join(points)} {_x(1):.1f},{base}"/>']
    for share in (0.0, 0.5, 1.0):
        parts.append(f'<path class="grid" d="M{LEFT} {y(share * top):.1f}H{WIDE - RIGHT}"/>')
        parts.append(_text(LEFT - 6, y(share * top) + 4, gigabytes(share * top), "end"))
    parts.append(_line("train", points))
    at = -math.inf
    for name, share in curve.phases.items():
        if name in NAMED_PHASES:
            x = _x(share)
            parts.append(f'<path class="baseline" d="M{x:.1f} {TOP}V{base}"/>')
            if x - at >= LEAST_APART:
                at = x
                near_the_end = x > WIDE - RIGHT - LEAST_APART
                parts.append(_text(x + (0 if near_the_end else 3), base + 14, name, "end" if near_the_end else "start"))
    parts.append(_text(WIDE - RIGHT, HIGH - 6, f"{curve.events:,} allocations and releases", "end"))
    peak = curve.live_bytes.index(max(curve.live_bytes)) / last
    during = [clean(name) for name, share in curve.phases.items() if share <= peak] or ["the step"]
    order = ", ".join(map(clean, curve.phases))
    return _svg(parts, HIGH, f"Memory of tensors over a step: {order}. Most in {during[-1]}: {gigabytes(top)}")


@dataclass(frozen=True)
class MemorySlice:
    """One component of the memory bar; shares of the whole bar in percent."""

    name: str
    size_bytes: int
    begin: float
    share: float
    colour: int


def slices(components: dict[str, int], capacity_bytes: int | None) -> list[MemorySlice]:
    """Components, largest first, as shares of the card, or of their own sum where it is more or the card unknown."""
    total = sum(components.values())
    full = max(total, capacity_bytes or 0) or 1
    found, begin = [], 0.0
    for index, (name, size) in enumerate(sorted(components.items(), key=lambda item: -item[1])):
        share = 100 * size / full
        found.append(MemorySlice(clean(name), size, begin, share, index % 6))
        begin += share
    return found


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    is_log: bool

    @classmethod
    def of(cls, shown: Sequence[float]) -> _Axis:
        low, high = min(shown), max(shown)
        is_log = low > 0 and high > LOG_FROM_RATIO * low
        if is_log:
            return cls(math.log10(low), math.log10(high), True)
        margin = 0.06 * (high - low) or abs(high) or 1.0
        return cls(low - margin, high + margin, False)

    def y(self, loss: float) -> float:
        value = math.log10(loss) if self.is_log else loss
        return TOP + (self.high - value) / ((self.high - self.low) or 1.0) * (HIGH - TOP - BELOW)

    def grid(self) -> str:
        drawn = []
        for part in (0.0, 0.25, 0.5, 0.75, 1.0):
            value = self.low + part * (self.high - self.low)
            loss = 10**value if self.is_log else value
            y = self.y(loss)
            drawn.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDE - RIGHT}"/>')
            drawn.append(_text(LEFT - 8, y + 4, f"{loss:.2g}", "end"))
        return "".join(drawn)


def _x(share: float, left: float = LEFT, right: float = RIGHT) -> float:
    return left + share * (WIDE - left - right)


def _known(steps: Sequence[int], losses: Sequence[float | None]) -> list[tuple[int, float]]:
    pairs = zip(steps, losses, strict=False)
    return [(step, loss) for step, loss in pairs if loss is not None and math.isfinite(loss)]


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """No more points than the chart is wide enough for; the last one stays."""
    stride = max(1, math.ceil(len(points) / MOST_POINTS))
    return points if stride == 1 else [*points[:-1:stride], points[-1]]


def _smoothed(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Mean over a trailing window of a twentieth of the run."""
    window = max(1, len(points) // 20)
    total, means = 0.0, []
    for index, (step, loss) in enumerate(points):
        total += loss - (points[index - window][1] if index >= window else 0.0)
        means.append((step, total / min(index + 1, window)))
    return means


def _apart(heights: Sequence[float]) -> list[float]:
    """Where the names of lines at these heights stand, none on another."""
    placed: dict[int, float] = {}
    lowest = -math.inf
    for index in sorted(range(len(heights)), key=lambda i: heights[i]):
        placed[index] = lowest = max(heights[index] - 5, lowest + 15)
    return [placed[index] for index in range(len(heights))]


def _line(kind: str, points: Sequence[str]) -> str:
    return f'<polyline class="{kind}" points="{" ".join(points)}"/>' if len(points) > 1 else ""


def _mark(share: float, said: str) -> str:
    x = _x(min(1.0, share))
    base = HIGH - BELOW
    return f'<path class="mark" d="M{x:.1f} {base}l5 8h-10z"><title>{escape(said)}</title></path>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(parts: Sequence[str], high: int, said: str) -> Markup:
    label = escape(clean(said))
    body = "".join(parts)
    return Markup(f'<svg class="chart" viewBox="0 0 {WIDE} {high}" role="img" aria-label="{label}">{body}</svg>')
