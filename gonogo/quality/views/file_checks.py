"""Checks of a set's files: are there as many views as there should be, do inputs show something, are formats alike?"""

from __future__ import annotations

from collections import Counter

from gonogo.quality.fault_counts import FaultGroup
from gonogo.quality.views.findings import SceneFinding
from gonogo.verdict import Check, Status


def scene_fault_groups(expected_views: int) -> list[FaultGroup]:
    """The checks that count faults of scenes as a whole."""
    return [
        FaultGroup(
            "inputs", "Inputs", {"input_constant"}, "none of one colour", "have an input of one colour",
            "Remove these inputs; check what they were read from.",
        ),
        FaultGroup(
            "view_count", "Views for each scene", {"view_count"}, f"{expected_views} views each",
            f"do not have {expected_views} views", "Generate these scenes again; look for an interrupted run.",
        ),
    ]  # fmt: skip


class Formats:
    """Pictures that are not 8-bit RGB, and views of different sizes: a data loader may fail on them."""

    def __init__(self) -> None:
        self._modes, self._sizes = Counter[str](), Counter[str]()
        self._pictures = 0

    def add(self, scene: SceneFinding) -> None:
        views = [view.picture for view in scene.item.views if view.picture.mode]
        pictures = [*views, scene.item.input] if scene.item.input.mode else views
        self._pictures += len(pictures)
        self._modes.update(picture.mode for picture in pictures if picture.mode != "rgb8")
        self._sizes.update(f"{picture.width}×{picture.height}" for picture in views)

    def check(self) -> Check:
        problems = [f"{count} of {self._pictures} pictures are {mode}" for mode, count in self._modes.most_common()]
        if len(self._sizes) > 1:
            sizes = ", ".join(f"{count} are {size}" for size, count in self._sizes.most_common(4))
            problems.append(f"views differ in size: {sizes}")
        return Check(
            id="format", title="Mode and size of the pictures", value=self._modes.total(),
            unit="pictures of another mode", threshold="8-bit RGB, views of one size",
            status=Status.CAUTION if problems else Status.GO, why="; ".join(problems),
            hint="Save 8-bit RGB of one size, or make sure that the data loader converts." if problems else "",
        )  # fmt: skip
