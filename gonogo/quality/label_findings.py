"""What labels beside items show when they are measured: counts that add up over any division of the data into parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from gonogo.base.models import ClosedModel

EXAMPLES = 2
MOST_VALUES = 256  # distinct values that are counted
Form = Literal["yolo", "coco", "voc", "masks", "empty_folders"]


class LabelProblem(ClosedModel):
    """One thing that is wrong with some of the labels."""

    what: str = Field(description="after the count, in words: `boxes reach outside the picture`")
    count: int
    first: list[str] = Field(description="examples, by path")


class LabelFindings(ClosedModel):
    """Labels of one form."""

    form: Form
    files: int = Field(default=0, description="label files that were read, beside those that are items")
    labels: int = Field(default=0, description="that were checked: of YOLO files with boxes, of others boxes")
    bad: int = Field(default=0, description="of these, that no training can use as they are")
    pictures: int = Field(default=0, description="whose size the labels name, and which are here")
    bad_pictures: int = Field(default=0, description="of these, of another size")
    values: dict[str, int] = Field(default_factory=dict, description="class or value: how many labels have it")
    problems: list[LabelProblem] = Field(default_factory=list)

    def note(self, what: str, example: str, count: int = 1) -> None:
        """Count a problem."""
        for problem in self.problems:
            if problem.what == what:
                problem.count += count
                if example not in problem.first:
                    problem.first = [*problem.first, example][:EXAMPLES]
                return
        self.problems.append(LabelProblem(what=what, count=count, first=[example]))

    def tally(self, value: str) -> None:
        """Count a value, if it is one of the first few."""
        if value in self.values or len(self.values) < MOST_VALUES:
            self.values[value] = self.values.get(value, 0) + 1


def summed_findings(parts: Iterable[LabelFindings]) -> dict[Form, LabelFindings]:
    """Of each form one."""
    sums: dict[Form, LabelFindings] = {}
    for part in parts:
        before = sums.setdefault(part.form, LabelFindings(form=part.form))
        for count in ("files", "labels", "bad", "pictures", "bad_pictures"):
            setattr(before, count, getattr(before, count) + getattr(part, count))
        before.values = dict(Counter(before.values) + Counter(part.values))
        for problem in part.problems:
            for number, example in enumerate(problem.first):
                before.note(problem.what, example, 0 if number else problem.count)
    return sums
