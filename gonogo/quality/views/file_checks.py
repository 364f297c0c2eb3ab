"""Checks of a set's files: are they of one form, are all there, is an input there twice?"""

from __future__ import annotations

from collections import Counter

from gonogo.quality.acceptance import Decision
from gonogo.quality.fault_counts import Count, counted_check, listed
from gonogo.quality.views.findings import SceneFinding
from gonogo.quality.views.overview import SceneOverview
from gonogo.verdict import Check, Status


class ViewCounts:
    """Scenes that have not as many views as the others."""

    def __init__(self, overview: SceneOverview, decision: Decision) -> None:
        self._expected, self._decision = overview.expected_views, decision
        self._odd = Count()
        self._named: list[str] = []

    def add(self, scene: SceneFinding) -> None:
        odd = "view_count" in scene.ids
        self._odd.add(scene.item.path, odd)
        if odd and len(self._named) < len(self._odd.named):
            self._named.append(f"{scene.name} has {len(scene.views)}")

    def check(self) -> Check:
        odd, total = self._odd.bad, self._odd.asked
        return counted_check(
            self._odd,
            self._decision,
            "scene",
            id="view_count",
            title="Views for each scene",
            asked=f"{self._expected} views each",
            why=f"{odd} of {total} scenes do not have {self._expected} views: {listed(self._named, odd)}"
            if odd
            else "",
            hint="Generate these scenes again; look for an interrupted run.",
        )


class Inputs:
    """Inputs that show nothing."""

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._constant = Count()

    def add(self, scene: SceneFinding) -> None:
        self._constant.add(scene.item.path, "input_constant" in scene.ids)

    def check(self) -> Check:
        bad, total = self._constant.bad, self._constant.asked
        return counted_check(
            self._constant,
            self._decision,
            "scene",
            id="inputs",
            title="Inputs",
            asked="none of one colour",
            why=f"{bad} of {total} inputs are of one colour: {self._constant.names}" if bad else "",
            hint="Take these inputs out; look at what they were read from.",
        )


class Formats:
    """Pictures that are not 8-bit RGB, and views of different sizes: a data loader may trip over them."""

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
        told = [f"{count} of {self._pictures} pictures are {mode}" for mode, count in self._modes.most_common()]
        if len(self._sizes) > 1:
            sizes = ", ".join(f"{n} are {size}" for size, n in self._sizes.most_common(4))
            told.append(f"views differ in size: {sizes}")
        return Check(
            id="format",
            title="Mode and size of the pictures",
            value=self._modes.total(),
            unit="pictures of another mode",
            threshold="8-bit RGB, views of one size",
            status=Status.CAUTION if told else Status.GO,
            why="; ".join(told),
            hint="Save 8-bit RGB of one size, or make sure that the data loader converts." if told else "",
        )
