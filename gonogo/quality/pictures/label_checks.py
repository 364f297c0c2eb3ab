"""What is wrong with boxes and outlines beside pictures, and whether it stops the set."""

from __future__ import annotations

from gonogo.quality.acceptance import AcceptanceRule
from gonogo.quality.label_findings import LabelFindings
from gonogo.quality.wording import listed, percent
from gonogo.verdict import Check, Status

CLASSES = 12  # that are listed
FORMS = {
    "yolo": ("YOLO labels", "label files with boxes"),
    "coco": ("COCO boxes", "boxes"),
    "voc": ("Pascal VOC boxes", "boxes"),
}  # title and what is counted


def label_check(found: LabelFindings, rule: AcceptanceRule) -> Check:
    """NO-GO where more labels than tolerated cannot be used as they are."""
    title, unit = FORMS[found.form]
    grave = rule.stops(found.bad, found.labels) or rule.stops(found.bad_pictures, found.pictures)
    said = [f"{one.count} {one.what} ({', '.join(one.first)})" for one in found.problems]
    shares = [f"{found.bad} of {found.labels} {unit} are bad"] if found.bad else []
    classes = sorted(found.values.items(), key=lambda entry: (-entry[1], entry[0]))
    counts = [f"classes: {listed([f'{name} ({count})' for name, count in classes], most=CLASSES)}"] if classes else []
    return Check(
        id=f"{found.form}_labels",
        title=title,
        value=found.labels,
        unit=unit,
        threshold=f"NO-GO above {percent(rule.tolerance)} bad; CAUTION for any, and where files have no partner",
        status=Status.NO_GO if grave else Status.CAUTION if found.problems else Status.GO,
        why="; ".join([*shares, *said, *counts]),
        evidence=[path for one in found.problems for path in one.first][:10],
        hint="Correct or leave out these labels; write them again from the source." if found.problems else "",
    )
