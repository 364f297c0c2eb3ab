"""`metrics.csv` of a training script, read while it grows: columns step, train_loss; optionally val_loss, seconds."""

from __future__ import annotations

import csv
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

from gonogo.base.errors import UserError

NEEDED = ("step", "train_loss")


@dataclass
class LossLog:
    """Losses by step, and the time between steps.

    Without a column `seconds` (any clock, read when the row is written) step times are those at which rows appeared.
    """

    path: Path
    # read in place of `path` where that does not come, or lacks the columns; the first that is there
    others: tuple[Path, ...] = ()
    source: Path | None = None  # the one that is read; None: none is there yet
    steps: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    val_steps: list[int] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    step_s: list[float] = field(default_factory=list)  # seconds of each step after the first that was seen
    last_step: int = 0
    bad: str = ""  # the first loss that is NaN or infinite, in words; empty: there is none
    _offset: int = 0
    _columns: list[str] = field(default_factory=list)
    _timed: tuple[int, float] | None = None  # step, seconds

    def set_aside(self) -> None:
        """Rename the files that an earlier attempt left, so that this one's rows are its own."""
        for path in (self.path, *self.others):
            if path.exists():
                earlier = len(list(path.parent.glob(f"{path.stem}_*.csv")))
                path.rename(path.with_name(f"{path.stem}_{earlier + 1}.csv"))

    def look(self, *, ended: bool = False) -> bool:
        """Read the rows that were added since; whether there are any.

        Args:
            ended: nothing writes any more, so that a last row without a line end is complete.

        Raises:
            UserError: a column is missing, or a cell does not hold a number.
        """
        best = self._best()
        if best is None:
            return False
        if best != self.source:
            self._begin(best)
        with best.open("rb") as stream:
            stream.seek(self._offset)
            fresh = stream.read()
        whole = fresh if ended else fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        before = len(self.steps) + len(self.val_steps), self.last_step
        for row in csv.reader(whole.decode(errors="replace").splitlines()):
            self._take(row)
        self._time_of(self.last_step, time.monotonic()) if "seconds" not in self._columns else None
        return (len(self.steps) + len(self.val_steps), self.last_step) > before

    def _best(self) -> Path | None:
        """`path` with the columns; else the first of the others that is there; else `path` without them."""
        there = [path for path in (self.path, *self.others) if path.exists()]
        if self.path in there and len(there) > 1 and not _has_columns(self.path):
            there.remove(self.path)
        return there[0] if there else None

    def _begin(self, source: Path) -> None:
        """Read this file from its start, in place of another."""
        self.source, self._offset, self._columns, self._timed, self.last_step, self.bad = source, 0, [], None, 0, ""
        for values in (self.steps, self.train_loss, self.val_steps, self.val_loss, self.step_s):
            values.clear()

    def _take(self, row: list[str]) -> None:
        if not any(cell.strip() for cell in row):
            return
        if not self._columns:
            self._columns = [cell.strip() for cell in row]
            if missing := [name for name in NEEDED if name not in self._columns]:
                raise UserError(f"{self.source}: no column {missing[0]!r}; its first line is {','.join(row)!r}")
            return
        cells = dict(zip(self._columns, row, strict=False))
        step = int(self._number(cells, "step") or 0)
        self.last_step = max(self.last_step, step)
        if (loss := self._number(cells, "train_loss")) is not None:
            self.steps.append(step)
            self.train_loss.append(loss)
            self._look_at("train_loss", loss, step)
        if (loss := self._number(cells, "val_loss")) is not None:
            self.val_steps.append(step)
            self.val_loss.append(loss)
            self._look_at("val_loss", loss, step)
        if (seconds := self._number(cells, "seconds")) is not None:
            self._time_of(step, seconds)

    def _number(self, cells: dict[str, str], name: str) -> float | None:
        """None for an empty cell."""
        text = cells.get(name, "").strip()
        if not text:
            return None
        try:
            return float(text)
        except ValueError:
            raise UserError(f"{self.source}: {name} {text!r} is not a number, at step {self.last_step}") from None

    def _look_at(self, name: str, loss: float, step: int) -> None:
        if not math.isfinite(loss) and not self.bad:
            self.bad = f"{name} is {loss} at step {step}"

    def _time_of(self, step: int, seconds: float) -> None:
        """Steps since the last one seen share the time between."""
        if self._timed is not None and step > self._timed[0]:
            count = step - self._timed[0]
            self.step_s += [max(0.0, seconds - self._timed[1]) / count] * count
        if step and (self._timed is None or step > self._timed[0]):
            self._timed = (step, seconds)


def _has_columns(path: Path) -> bool:
    with path.open(errors="replace") as stream:
        return set(NEEDED) <= {cell.strip() for cell in stream.readline().split(",")}
