"""Metrics that a script prints: `step 10 loss 1.23`, `{'loss': 1.2, 'epoch': 0.5}`, a progress bar's `loss=1.2`."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PRINTED = "printed.jsonl"  # in a run's folder: every metric that it printed
LOSSES = "printed_losses.csv"  # there: the losses, in the form of a metrics.csv
LONGEST = 1000  # characters of a line; the rest is not searched
SLOW_S = 1.0  # for one line; a pattern that takes longer is not used again
SURE = 3  # losses, with which the printed ones are taken for the run's
FIRST_ROWS, THEN_EVERY_S = 1000, 1.0
# all repetitions are bounded, so that no line takes long
NUMBER = r"[+-]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][+-]?\d{1,3})?|nan"
SIDE = r"train|training|valid|validation|val|test|eval|evaluation"
PAIR = re.compile(
    rf"(?<![\w./])(?P<name>(?:(?:{SIDE})[ _/-])?[A-Za-z][\w/@-]{{0,40}})"
    r"['\"]?[ \t]{0,3}[:=]?[ \t]{0,3}[\['\"]?[ \t]{0,6}"
    rf"(?P<value>{NUMBER})(?:/(?P<of>\d{{1,20}}))?(?!\w|\.\d)",
    re.IGNORECASE,
)
STEP = re.compile(r"(global_?)?(steps?|iters?|iterations?|it|updates?)", re.IGNORECASE)
METRIC = re.compile(
    r"loss|acc|err|ppl|perplexity|bleu|rouge|f1|auc|iou|dice|psnr|ssim|fid|mae|mse|nll|bpb|bpc|elbo|reward|return|score|"
    r"precision|recall|wer|cer|top\d|skill",
    re.IGNORECASE,
)
TRAIN_LOSS = {
    "loss",
    "train_loss",
    "training_loss",
    "loss_train",
    "trainloss",
    "total_loss",
    "avg_loss",
    "average_loss",
}
HELD_OUT = re.compile(r"val|eval|test|dev", re.IGNORECASE)
HELD_OUT_LINE = re.compile(
    r"\W{0,10}(?:epoch \d{1,9}\W{1,5})?(?:val|valid|validation|eval|evaluation|test|testing)\b", re.IGNORECASE
)
SUMMARY = re.compile(r"train_runtime|train_samples_per_second")  # a Trainer's last line: the mean of all its losses
ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,12}[A-Za-z]")


@dataclass
class PrintedLine:
    """What one line says. `metrics` holds all of it, losses included."""

    step: int | None = None
    train_loss: float | None = None
    val_loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


def read_line(text: str, pattern: re.Pattern[str] | None = None) -> PrintedLine:
    """The metrics of one line, by name.

    Args:
        pattern: the user's own, whose named groups are metrics; `step`, `train_loss` and `val_loss` are known.
    """
    text = ESCAPES.sub("", text)[:LONGEST]
    found = PrintedLine()
    if SUMMARY.search(text):
        return found
    held_out = pattern is None and HELD_OUT_LINE.match(text) is not None
    for name, value in _pairs(text, pattern):
        if name == "step" or (pattern is None and STEP.fullmatch(name)):
            if math.isfinite(value):
                found.step = int(value)
            continue
        if pattern is None and not METRIC.search(name):
            continue
        key = name.lower()
        is_loss = key in TRAIN_LOSS or (HELD_OUT.search(key) is not None and key.endswith(("loss", "nll")))
        if key in TRAIN_LOSS and not held_out:
            found.train_loss = value
        elif is_loss:
            found.val_loss = value
        found.metrics[f"val_{name}" if held_out and not HELD_OUT.search(key) else name] = value
    return found


def _pairs(text: str, pattern: re.Pattern[str] | None) -> Iterator[tuple[str, float]]:
    """Names and values; `9842/10000` is a share, but of a step."""
    if pattern is None:
        for match in PAIR.finditer(text):
            name, of = re.sub(r"\W+", "_", match["name"]), float(match["of"] or 0)
            share = of if of and not STEP.fullmatch(name) else 1.0
            yield name, float(match["value"]) / share
        return
    for match in pattern.finditer(text):
        for name, number in match.groupdict().items():
            with contextlib.suppress(ValueError):
                if number is not None:
                    yield name, float(number)


@dataclass
class Printed:
    """Keeps what lines say in two files of the run's folder: losses by step as a metrics.csv, and every metric."""

    losses: Path  # is written once there are three losses, so that a remark is not taken for a run
    metrics: Path  # one JSON object a line
    pattern: str = ""  # the user's own; empty: what scripts usually print
    too_slow: str = ""  # why lines are no longer read; empty: they are
    _rows: list[str] = field(default_factory=list)
    _streams: dict[Path, IO[str]] = field(default_factory=dict)
    _written: int = 0
    _written_at: float = 0.0
    _step: int = 0

    def line(self, text: str) -> None:
        """Take in a line, as it was printed."""
        if self.too_slow:
            return
        started = time.monotonic()
        found = read_line(text, re.compile(self.pattern) if self.pattern else None)
        if time.monotonic() - started > SLOW_S:
            self.too_slow = f"command.metrics took over {SLOW_S:g} s for one line and is not used any more"
        if found.step is not None:
            self._step = found.step
        elif found.train_loss is not None:
            self._step += 1
        now = time.monotonic()
        known = found.train_loss is not None or found.val_loss is not None
        often = self._written > FIRST_ROWS and found.val_loss is None and now - self._written_at < THEN_EVERY_S
        if not found.metrics or often:
            return
        self._written, self._written_at = self._written + 1, now
        finite = {name: value for name, value in found.metrics.items() if math.isfinite(value)}
        self._write(self.metrics, json.dumps({"step": self._step, **finite}) + "\n")
        if known:
            cells = ["" if value is None else repr(value) for value in (found.train_loss, found.val_loss)]
            self._rows.append(f"{self._step},{cells[0]},{cells[1]},{now}\n")
            if self.losses in self._streams or len(self._rows) >= SURE:
                self._flush()

    def close(self) -> None:
        """Write what there is, and close the files."""
        self._flush()
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()

    def _flush(self) -> None:
        if self._rows and self.losses not in self._streams:
            self._rows.insert(0, "step,train_loss,val_loss,seconds\n")
        for row in self._rows:
            self._write(self.losses, row)
        self._rows.clear()

    def _write(self, file: Path, text: str) -> None:
        if file not in self._streams:
            self._streams[file] = file.open("w", buffering=1)
        self._streams[file].write(text)


def held_out(losses: Path) -> tuple[list[int], list[float]]:
    """Steps and values of the validation losses that were printed, from the file of losses."""
    if not losses.exists():
        return [], []
    with losses.open(newline="") as stream:
        rows = [(int(row["step"]), float(row["val_loss"])) for row in csv.DictReader(stream) if row["val_loss"]]
    return [step for step, _ in rows], [value for _, value in rows]
