"""Checks of a set's files: can they be read, are they of one form, are all there, is none there twice?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gonogo.config import QualityGate
from gonogo.quality.decisions import decide
from gonogo.quality.findings import SceneFinding, expected_views
from gonogo.quality.measurements import INPUT, ViewMeasurements
from gonogo.quality.tally import NAMED, listed, tolerated
from gonogo.verdict import Check, Status, worst

MAJORITY = 0.5  # of the files unreadable: whatever the rest shows is no basis


def readable(measured: ViewMeasurements, scenes: Sequence[SceneFinding], gate: QualityGate) -> Check:
    """Files that are missing, truncated or damaged. A scene with one is bad; data with one is never GO."""
    problems, files = measured.problems, measured.files
    folders = {scene.name: scene.folder for scene in scenes}
    hit = {problem.path.split("/")[0] for problem in problems}
    status, why = Status.GO, ""
    if problems:
        status = worst([Status.CAUTION, decide(len(hit), len(scenes), gate.max_bad_scenes)])
        if len(problems) > MAJORITY * files:
            status = Status.NO_GO
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        why = (
            f"{len(problems)} of {files} files cannot be read, in {len(hit)} of {len(scenes)} scenes: "
            f"{problems[0].path}: {problems[0].reason}{more}"
        )
    return Check(
        id="unreadable",
        title="Files that can be read",
        value=len(problems),
        unit=f"of {files} files unreadable",
        threshold=f"none; {tolerated(len(scenes), gate)}, or where most files are unreadable",
        status=status,
        why=why,
        hint="Generate these scenes again; look for a full disk or an interrupted run." if problems else "",
        evidence=[f"{folders[problem.path.split('/')[0]]}/{problem.path}" for problem in problems[:NAMED]],
    )


def view_counts(measured: ViewMeasurements, scenes: Sequence[SceneFinding], gate: QualityGate) -> Check:
    """Scenes that have not as many views as the others."""
    expected = expected_views(measured)
    odd = [scene for scene in scenes if "view_count" in scene.ids]
    named = listed([f"{scene.name} has {len(scene.views)}" for scene in odd])
    return Check(
        id="view_count",
        title="Views for each scene",
        value=len(odd),
        unit="scenes with another number",
        threshold=f"{expected} views each; {tolerated(len(scenes), gate)}",
        status=decide(len(odd), len(scenes), gate.max_bad_scenes),
        why=f"{len(odd)} of {len(scenes)} scenes do not have {expected} views: {named}" if odd else "",
        hint="Generate these scenes again; look for an interrupted run." if odd else "",
        evidence=[f"{scene.folder}/{scene.name}" for scene in odd[:NAMED]],
    )


def inputs(scenes: Sequence[SceneFinding], gate: QualityGate) -> Check:
    """Inputs of one colour, and inputs that are there twice."""
    constant = [scene for scene in scenes if "input_constant" in scene.ids]
    copies = [scene for scene in scenes if scene.measured.identical_to]
    told = []
    if constant:
        names = listed([scene.name for scene in constant])
        told.append(f"{len(constant)} of {len(scenes)} inputs are of one colour: {names}")
    if copies:
        names = listed([f"{scene.name} = {scene.measured.identical_to}" for scene in copies])
        told.append(f"{len(copies)} of {len(scenes)} inputs are copies of another: {names}")
    status = decide(len(constant), len(scenes), gate.max_bad_scenes)
    return Check(
        id="inputs",
        title="Inputs",
        value=len(constant) + len(copies),
        unit="inputs constant or there twice",
        threshold="none",
        status=worst([status, Status.CAUTION]) if told else status,
        why="; ".join(told),
        hint="Keep copies of an input in the same split, or take them out." if copies else "",
        evidence=[f"{scene.folder}/{scene.name}/{INPUT}" for scene in [*constant, *copies][:NAMED]],
    )


def formats(scenes: Sequence[SceneFinding]) -> Check:
    """Pictures that are not 8-bit RGB, and views of different sizes: a data loader may trip over them."""
    views = [view.measured.picture for scene in scenes for view in scene.views if view.measured.picture.mode]
    pictures = [*views, *[scene.measured.input for scene in scenes if scene.measured.input.mode]]
    modes = Counter(picture.mode for picture in pictures if picture.mode != "rgb8")
    sizes = Counter(f"{picture.width}×{picture.height}" for picture in views)
    told = [f"{count} of {len(pictures)} pictures are {mode}" for mode, count in modes.most_common()]
    if len(sizes) > 1:
        told.append("views differ in size: " + ", ".join(f"{n} are {size}" for size, n in sizes.most_common(4)))
    return Check(
        id="format",
        title="Mode and size of the pictures",
        value=modes.total(),
        unit="pictures of another mode",
        threshold="8-bit RGB, views of one size",
        status=Status.CAUTION if told else Status.GO,
        why="; ".join(told),
        hint="Save 8-bit RGB of one size, or make sure that the data loader converts." if told else "",
    )
