"""Faults put into copies of healthy scripts, one at a time, and the check that must name each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

SCRIPTS = Path(__file__).with_name("scripts")
HEALTHY = tuple(sorted(path.stem for path in SCRIPTS.glob("*.py")))


@dataclass(frozen=True)
class Fault:
    """One fault in one script.

    Attributes:
        kind: what people would call it.
        edits: text of the script → what stands there instead; each must be found.
        checks: ids of checks, of which one must say it first among those of the worst status.
        words: that the sentence of that check must contain.
        cautions: a warning is enough: the same code can be meant.
    """

    kind: str
    script: str
    edits: tuple[tuple[str, str], ...]
    checks: tuple[str, ...]
    words: str = ""
    cautions: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind} in {self.script}".replace(" ", "_")

    def text(self) -> str:
        """The script with the fault."""
        text = (SCRIPTS / f"{self.script}.py").read_text()
        for old, new in self.edits:
            assert text.count(old), f"{self.name}: {old!r} is not in the script"
            text = text.replace(old, new)
        return text


def _read() -> tuple[Fault, ...]:
    rows = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
    return tuple(
        Fault(
            row["kind"], row["script"], tuple((edit["old"], edit["new"]) for edit in row["edits"]),
            tuple(row["checks"].split()), row.get("words", ""), row.get("cautions", False),
        )
        for row in rows
    )  # fmt: skip


FAULTS = _read()
