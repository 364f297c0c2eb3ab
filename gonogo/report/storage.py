"""What an experiment holds on disk: how much of it a fault spoilt, and what may be deleted."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from gonogo.report.causes import PartName
from gonogo.report.verdict_by_part import at_fault
from gonogo.verdict import Verdict

DATA, TRAINED, PAID = ("assets", "sample", "dataset"), ("smoke_train",), "archive"
# folder of results → the stage that makes it again
MADE_BY = {"assets": "prepare", "sample": "sample", "dataset": "dataset", "smoke_train": "smoke_train"}


class StoredFolder(BaseModel):
    """One folder below `results_dir`, or of the archive."""

    path: str
    kind: str = Field(description="its name in the results; `archive` for a run that was fetched")
    size_bytes: int = Field(ge=0)
    again_s: float | None = Field(None, description="what making it took; null: the ledger does not say")
    again_usd: float = 0.0

    @property
    def deletable(self) -> str:
        """Whether it may go, and what that costs."""
        if self.kind == PAID:
            return "only if its checkpoints are no longer wanted: another paid run makes them again"
        if stage := MADE_BY.get(self.kind):
            return f"yes: the stage {stage} makes it again"
        return "no: verdicts, documents and logs"


def spoilt(verdict: Verdict, folders: Sequence[StoredFolder]) -> list[StoredFolder]:
    """Those that the fault makes worthless: bad data and what was trained on it, or what faulty code trained."""
    part: PartName | None = at_fault(verdict)
    lost = {
        "data": {*DATA, *TRAINED, PAID} if verdict.gate == "generator" else {*DATA[1:], *TRAINED, PAID},
        "code": {*TRAINED, PAID},
        "hypothesis": {PAID},
    }.get(part or "", set())
    return [folder for folder in folders if folder.kind in lost]
