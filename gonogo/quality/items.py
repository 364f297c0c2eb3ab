"""What every kind of data has in common: items as they are measured, and what is found wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import Field

from gonogo.base.models import ClosedModel
from gonogo.verdict import Status


class FileProblem(ClosedModel):
    path: str = Field(description="from the data folder")
    reason: str


class MeasuredItem(ClosedModel):
    """The unit of every decision, with all that was measured of it: one line of `items.jsonl`."""

    name: str = Field(description="path from the data folder: `image_0000`, `train/patient_7.nii.gz`")
    folder: str = Field(description="data folder that it lies in")
    content: str = Field(default="", description="sha256 that identifies it; empty: not read")
    near: str = Field(default="", description="hash that differs in few bits for items that look alike, hex")
    split: str = Field(default="", description="`train`, `val` or `test`, where the data says so")
    group: str = Field(default="", description="what must be on one side of a split: a subject, a photograph")
    files: int = Field(default=1, description="that were to be read")
    problems: list[FileProblem] = Field(default_factory=list, description="files that could not be")

    @property
    def path(self) -> str:
        """From where the data folder is named."""
        return f"{self.folder}/{self.name}"

    @property
    def drawn(self) -> bool:
        """Whether it is mostly of one value, as drawings are: two of these look alike and are not the same."""
        return False


@dataclass(frozen=True)
class Fault:
    """One check that fired."""

    id: str  # for machines: `dark`
    reason: str  # a few words to stand under a picture, in Latin letters: `dark 0.02`
    warns: bool = False  # it is reported, and makes no item bad


@dataclass(frozen=True)
class Finding:
    """One item, and the checks that fired for it."""

    item: MeasuredItem
    faults: list[Fault]

    @property
    def name(self) -> str:
        return self.item.name

    @property
    def folder(self) -> str:
        return self.item.folder

    @property
    def bad(self) -> bool:
        return any(not fault.warns for fault in self.faults)

    @property
    def badness(self) -> float:
        """How far up it belongs among bad items."""
        return float(sum(not fault.warns for fault in self.faults))

    @property
    def ids(self) -> set[str]:
        return {fault.id for fault in self.faults}


FindingSink = Callable[[Finding], None]


def status_of(faults: Sequence[Fault]) -> Status:
    """NO_GO for a fault that makes an item bad, CAUTION for others, GO for none."""
    if any(not fault.warns for fault in faults):
        return Status.NO_GO
    return Status.CAUTION if faults else Status.GO
