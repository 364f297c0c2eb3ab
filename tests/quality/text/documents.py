"""Documents that are good, and how a folder of them is judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.judgement import Judgement
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import kind_of
from gonogo.quality.text.inspector import Texts
from gonogo.verdict import Check

FIRST, MORE = "the red house stands by a long river where old boats", "and quiet people wait for rain in early spring"
WORDS = f"{FIRST} {MORE}".split()


def sentence(seed: int, words: int = 12) -> str:
    return " ".join(WORDS[(seed * 7 + i * i * (seed % 5 + 1)) % len(WORDS)] for i in range(words)) + f" {seed}."


def record(seed: int) -> dict[str, Any]:
    return {"id": seed, "text": sentence(seed), "label": seed % 3}


def lines(path: Path, records: list[Any]) -> Path:
    """Records as lines; bytes and strings stand as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = [r if isinstance(r, bytes) else (r if isinstance(r, str) else json.dumps(r)).encode() for r in records]
    path.write_bytes(b"\n".join([*raw, b""]))
    return path


def inspect(
    folder: Path, gate: QualityGate | None = None, kind: Texts | None = None
) -> tuple[Judgement, dict[str, Any]]:
    """The judgement, and each item's faults: `id: reason`, with `?` before one that only warns."""
    gate, found = gate or QualityGate(), {}
    out = folder.parent / f"{folder.name}-measured"
    measure_part(kind or kind_of("text").configured(gate), folder, out)
    judgement = judge(
        MeasuredSet.read(out),
        gate,
        each=lambda finding: found.update(
            {finding.name: [f"{'?' * fault.warns}{fault.id}: {fault.reason}" for fault in finding.faults]}
        ),
    )
    return judgement, found


def check(judgement: Judgement, id: str) -> Check:
    return next(check for check in judgement.checks if check.id == id)
