"""Results folders as chains leave them: stopped at a gate, half-way, finished, made for no more than their page."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from gonogo.gates import standing
from gonogo.gates.registry import GATES, Gate
from gonogo.runtime import ledger
from gonogo.verdict import Check, Savings, Status, decide
from tests.report.verdicts import WHEN, good

CAUSES = {
    "generator": "DATA", "quality": "CAMERA", "learning": "WIRING", "memory": "MEMORY", "launch": "BUDGET",
    "canary": "MACHINE", "results": "RESULT",
}  # fmt: skip
BAD = Check(
    id="bad",
    title="Share of the items that are bad",
    value=41.5,
    unit="% of items",
    threshold="<= 5 % of items",
    status=Status.NO_GO,
    why="41.5 % of the items are bad: their views are black",
    hint="Point the cameras at the scene.",
)


def chain(results: Path, stopped_at: str = "", experiment: str = "mine", reached: str = "results") -> Path:
    """An experiment in mode `fast` whose gates passed up to `reached`, but for the one that stopped it."""
    for gate in GATES:
        folder = standing.folder(gate, results / experiment, "fast")
        judged(gate, folder, experiment, stopped=gate.path == stopped_at)
        ledger.add(results / "ledger.sqlite", row(experiment, f"judge_{gate.name}", gate))
        if gate.path in (stopped_at, reached):
            return folder
    raise AssertionError(reached)


def judged(gate: Gate, folder: Path, experiment: str, *, stopped: bool) -> None:
    checks = [BAD, good("other")] if stopped else [good("first"), good("expected_skill")]
    decide(
        checks, gate=gate.name, scope=gate.scope, experiment=experiment, mode="fast" if gate.by_mode else "",
        cause=CAUSES[gate.name] if stopped else "", measured_at=WHEN, inputs_digest="d1" * 32,
        saved=Savings(seconds=3600, usd=6.0),
    ).write(folder / "verdict.json")  # fmt: skip
    if gate.name in ("quality", "results"):
        contact_sheet(folder / "contact_sheet.png")


def row(experiment: str, stage: str, gate: Gate | None = None, outcome: str = "done", usd: float = 0.0) -> ledger.Row:
    scope = f"_{gate.scope}" if gate and gate.scope else ""
    mode = "fast" if gate is None or gate.by_mode else ""
    return ledger.Row("s", experiment, mode, f"{stage}{scope}", 1.0, 2.0, usd=usd, outcome=outcome)


def contact_sheet(path: Path, items: int = 6, high: int = 140) -> None:
    """Coloured squares in rows, each with an empty band below."""
    sheet = Image.new("RGB", (900, items * high), "white")
    draw = ImageDraw.Draw(sheet)
    for index in range(items):
        for column in range(8):
            left, top = 10 + 110 * column, high * index + 10
            draw.rectangle((left, top, left + 100, top + 100), fill=(37 * index % 255, 90, 31 * column))
    sheet.save(path)
