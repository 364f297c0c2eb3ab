"""Verdicts as the gates make them, for the tests of this folder."""

from __future__ import annotations

import datetime as dt
from typing import Any

from gonogo.verdict import Check, Override, Savings, Status, Verdict, decide

WHEN = dt.datetime(2026, 1, 11, 2, 44, tzinfo=dt.UTC)
SHEET = "results/cvs_dark/quality/sample/contact_sheet.png"

DARK = Check(
    id="darkness",
    title="Brightness of the views against their input",
    value=0.0412,
    threshold=">= 0.45",
    status=Status.NO_GO,
    why="views beyond 30° are black: mean luminance 0.02 against 0.47 at the input",
    hint="Open the contact sheet. Mend the data first.",
    evidence=[SHEET],
)
MISSED = Check(
    id="camera",
    title="Views whose camera sees the scene",
    value=0.375,
    threshold=">= 0.95",
    status=Status.NO_GO,
    why="5 of 8 cameras see none of the scene: they circle (0, 0, 0), the scene lies at z = -3",
    hint="Set settings.data.cameras.orbit to cloud.",
    evidence=[SHEET, "results/cvs_dark/quality/sample/coverage.json"],
)


def good(id_: str, **fields: Any) -> Check:
    return Check(
        id=id_,
        title=id_.replace("_", " ").capitalize(),
        value=0.93,
        threshold=">= 0.5",
        status=Status.GO,
        **fields,
    )


def make(gate: str, checks: list[Check], experiment: str = "cvs", **fields: Any) -> Verdict:
    return decide(checks, gate=gate, experiment=experiment, measured_at=WHEN, inputs_digest="d1" * 32, **fields)


def dark() -> Verdict:
    """The founding failure, stopped at ten samples."""
    passed = [good(name) for name in ("unreadable", "noisy", "repeated", "constant")]
    return make(
        "quality",
        [DARK, *passed, MISSED],
        "cvs_dark",
        scope="sample",
        cause="CAMERA",
        saved=Savings(seconds=11_100, usd=6.0),
    )


def overridden() -> Verdict:
    verdict = dark()
    verdict.override = Override(
        experiment="cvs_dark", gate="quality", by="Ada L.", reason="to show that learning stops it"
    )
    return verdict


def cautious() -> Verdict:
    check = Check(
        id="peak_memory",
        title="Peak of a training step",
        value=14.9,
        unit="GB",
        threshold="<= 16.00 GB",
        status=Status.CAUTION,
        why="the step needs 14.9 GB (93 % of 16.00 GB): tight",
        hint="Halve micro_batch_size.",
    )
    return make("memory", [check], mode="fast")


def unknown() -> Verdict:
    check = Check(
        id="peak_memory",
        title="Peak of a training step",
        status=Status.UNKNOWN,
        why="the step could not be traced",
    )
    return make("memory", [check], mode="fast", cause="MEMORY")


def going(gate: str, scope: str = "", checks: tuple[str, ...] = ("first", "second")) -> Verdict:
    return make(gate, [good(name) for name in checks], scope=scope)


def ready() -> list[Verdict]:
    """Every gate before the paid machine says GO."""
    return [
        going("generator"),
        going("quality", "sample"),
        going("quality", "dataset"),
        going("learning"),
        going("memory"),
        going("launch", checks=("items", "expected", "budget", "time_cap")),
    ]
