"""Checks of the learning gate on samples that hold nothing to learn from. Each gives its check and the cause."""

from __future__ import annotations

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.findings import DATA, CheckAndCause, bad, good
from gonogo.learning.measurements import DataSummary, Measurements
from gonogo.verdict import Status

WARNED = 0.05  # share of samples
MOSTLY = 0.5  # share of samples without a target
FEWEST_CLASSES = 2


def outside(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    """Whole numbers that are no class: the loss ends with an error, or leaves them out unasked."""
    data, title = measured.data, "Targets are classes"
    if data is None or data.classes is None or data.classes < FEWEST_CLASSES:
        return None
    if not data.outside_samples:
        return good("classes", title, data.classes, unit="classes")
    values = ", ".join(map(str, data.outside_classes))
    share = f"{data.outside_samples} of {data.train_samples + data.held_out_samples} samples"
    why = f"targets of {share} contain {values}; with {data.classes} outputs the classes are 0 to {data.classes - 1}"
    hint = "Number classes from 0 and make the last layer as wide as there are; masks of 0 and 255 want dividing by "
    hint += "255; give the loss ignore_index for what is no class."
    return bad(
        "classes", title, data.outside_samples, why + examples(data, "outside"), hint, cause=DATA, unit="samples"
    )


def unsupervised(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    """Every position of the target is left out of the loss."""
    data, title = measured.data, "Samples with a target that is learned from"
    if data is None or data.classes is None:
        return None
    train, held_out = data.unsupervised_samples, data.unsupervised_held_out
    share = max(train / max(1, data.train_samples), held_out / max(1, data.held_out_samples))
    value = round(1 - share, 3)
    if share <= WARNED:
        return good("supervised", title, value)
    values = ", ".join(map(str, data.ignored_values)) or "no class"
    why = (
        f"{train} of {data.train_samples} training samples and {held_out} of {data.held_out_samples} held-out samples "
    )
    why += f"have no target at all, {values} throughout: the loss leaves them out, and is 0 or NaN without any other"
    hint = "Look at one of them: the answer is cut off at the maximum length, or the mask is inverted."
    status = Status.NO_GO if share >= MOSTLY else Status.CAUTION
    return bad("supervised", title, value, why + examples(data, "unsupervised"), hint, cause=DATA, status=status)


def blank(measured: Measurements, gate: LearningGate) -> CheckAndCause | None:
    data, title = measured.data, "Samples whose input is not blank"
    if data is None or not data.inputs_vary:
        return None
    share = data.blank_samples / max(1, data.train_samples)
    value, threshold = round(1 - share, 3), f"> {1 - gate.max_blank_share:g}"
    if share <= WARNED:
        return good("blank_inputs", title, value, threshold=threshold)
    why = f"the input of {data.blank_samples} of {data.train_samples} training samples is one value throughout, as a "
    why += "black picture is"
    status = Status.NO_GO if share >= gate.max_blank_share else Status.CAUTION
    hint = "Look at some of them, and at how they are read."
    return bad("blank_inputs", title, value, why + examples(data, "blank"), hint, cause=DATA, status=status,
               threshold=threshold)  # fmt: skip


def examples(data: DataSummary, what: str) -> str:
    """` (sample 3, sample 17)`."""
    found = data.examples.get(what, [])
    return f" ({', '.join(found)})" if found else ""
