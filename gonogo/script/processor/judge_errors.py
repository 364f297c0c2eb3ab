"""The script's own error: what it means, where that can be said."""

from __future__ import annotations

import re

from gonogo.config.gate_thresholds import LearningGate
from gonogo.learning.findings import WIRING, CheckAndCause, bad, unknown
from gonogo.script.endings import explain
from gonogo.script.processor.facts import ProcessorFacts

EXPLAINED: tuple[tuple[str, str, str, str], ...] = (
    (
        "does not require grad and does not have a grad_fn",
        "no_grad",
        "the loss has no graph: the model ran under no_grad, or the loss was detached",
        "Take no_grad away from the training step, and detach(), .item() or numpy() from the loss.",
    ),
    (
        "backward through the graph a second time",
        "graph_kept",
        "a graph of an earlier step is part of this step's loss",
        "Detach what goes from step to step (a hidden state, a running loss).",
    ),
    (
        "Expected more than 1 value per channel when training",
        "last_batch",
        "a batch norm got a batch of one value a channel",
        "drop_last=True, or a larger batch.",
    ),
    (
        "modified by an inplace operation",
        "in_place",
        "an in-place operation overwrote what the backward pass needs",
        "Replace `x += y` or inplace=True there by its plain form.",
    ),
    (
        "can't optimize a non-leaf Tensor",
        "optimizer_holds",
        "the optimizer was given a tensor that was computed: it is no leaf",
        "Move it to the device first, then requires_grad_().",
    ),
    (
        "optimizer got an empty parameter list",
        "optimizer_holds",
        "the optimizer got no parameter",
        "Register layers as attributes, or in nn.ModuleList.",
    ),
    (
        "shapes cannot be multiplied",
        "shapes",
        "a layer does not fit the one before it",
        "Compare the two shapes with the layers' sizes.",
    ),
    (
        r"must match the size of tensor",
        "shapes",
        "two tensors do not fit each other",
        "Print both shapes before that line.",
    ),
    (
        r"size mismatch|Expected input batch_size",
        "shapes",
        "outputs and targets do not fit each other",
        "Print both shapes before that line.",
    ),
)


def error(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """The script's error before its steps were done; later ones may come from cutting its epochs short."""
    found = facts.error
    if found is None:
        return None
    shown = f"{found.name}: {found.message.splitlines()[0] if found.message else ''}"[:300]
    where = f" at {found.where}" if found.where else ""
    title = "The script runs"
    for pattern, id_, why, hint in EXPLAINED:
        if re.search(pattern, found.message):
            return bad(id_, title, shown, f"{why} ({shown}{where})", hint, cause=WIRING)
    if facts.disturbed:
        return unknown("script", title, f"after {facts.steps} steps it ended with {shown}{where}; gonogo had cut its "
                       "epochs short by then, which may be the reason")  # fmt: skip
    said = explain(facts)
    return unknown("script", title, said.why, said.hint) if said else None


def steps(facts: ProcessorFacts, gate: LearningGate) -> CheckAndCause | None:
    """Scripts that end, or are ended, before they train."""
    if facts.error is not None or (said := explain(facts)) is None:
        return None
    return unknown("script", "The script trains", said.why, said.hint)
