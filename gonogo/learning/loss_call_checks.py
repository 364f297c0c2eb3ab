"""What loss functions are given: of the right shape, not a softmax already, with targets that they take.

Asked of scripts that are watched, and of the first steps of any other training.
"""

from __future__ import annotations

from collections.abc import Sequence

from gonogo.learning.findings import DATA, CheckAndCause, at, bad, good
from gonogo.learning.loss_calls import LossCall, SeenError

IGNORED_CALLS = 0.34


def loss_input(calls: Sequence[LossCall]) -> CheckAndCause | None:
    """Softmax before cross-entropy and its like."""
    title = "Losses get what they expect"
    for call in calls:
        name, where = call.function, at(call.where)
        if call.softmax_over_batch:
            why = f"the input of {name}{where} went through a softmax over dim 0, the samples, not the classes"
            return bad("loss_input", title, "softmax over the batch", why, "Use dim=1 (or dim=-1).")
        if call.input == "probabilities" and name == "cross_entropy":
            why = f"{name}{where} gets probabilities, and applies another softmax: it never gets near 0"
            return bad("loss_input", title, call.input, why, "Hand in the scores; drop the softmax.")
        if call.input == "probabilities" and name == "binary_cross_entropy_with_logits":
            why = f"{name}{where} gets the output of a sigmoid, and applies another"
            return bad("loss_input", title, call.input, why, "Hand in the scores; drop the sigmoid.")
        if name == "nll_loss" and call.input in {"probabilities", "scores"}:
            why = f"{name}{where} gets {call.input}, it expects log-probabilities"
            return bad(
                "loss_input", title, call.input, why, "Use log_softmax before it, or cross_entropy in its place."
            )
    return good("loss_input", title) if calls else None


def shapes(calls: Sequence[LossCall]) -> CheckAndCause | None:
    title = "Outputs and targets have the same shape"
    for call in calls:
        if call.broadcast:
            why = f"{call.function}{at(call.where)} got {call.broadcast}: every output is compared with every target"
            return bad("shapes", title, call.broadcast, why, "squeeze(1) the output, or unsqueeze(1) the target.")
    return good("shapes", title) if calls else None


def targets(calls: Sequence[LossCall], seen: SeenError) -> CheckAndCause | None:
    title = "Targets fit the loss"
    if seen.check == "targets":
        return bad("targets", title, None, seen.why, seen.hint, cause=DATA)
    for call in calls:
        if call.out_of_range:
            return bad(
                "targets", title, call.out_of_range,
                f"targets of {call.function}{at(call.where)} are {call.out_of_range}, outside of what it takes",
                "Binary losses take 0 to 1: divide masks by 255, or number the two classes 0 and 1.", cause=DATA,
            )  # fmt: skip
    return good("targets", title, threshold="within the classes, of the right type") if calls else None


def ignored(calls: Sequence[LossCall]) -> CheckAndCause | None:
    title, classifying = "Targets that are not ignored", [call for call in calls if call.classes]
    if not classifying:
        return None
    worst = max(classifying, key=lambda call: call.ignored / max(1, call.calls))
    share = worst.ignored / max(1, worst.calls)
    value = f"all ignored in {worst.ignored} of {worst.calls} batches"
    if share < IGNORED_CALLS:
        return good("ignored_targets", title, value)
    why = f"in {worst.ignored} of {worst.calls} batches every target of {worst.function}{at(worst.where)} is ignored: "
    why += "the loss is 0 or NaN and nothing is learned from them"
    hint = "Look at one batch of labels: the answer may be cut off at the maximum length, or the mask inverted."
    return bad("ignored_targets", title, value, why, hint, cause=DATA)


def alone_at_the_end(items: int | None, size: int | None, drop_last: bool) -> bool:
    """Whether the last batch of an epoch is one sample."""
    return bool(items and size and size > 1 and items % size == 1 and not drop_last)


def last_batch(
    norm: str, items: int | None, size: int | None, drop_last: bool, loader: str = "the training loader"
) -> CheckAndCause | None:
    """Args:
    norm: batch norm that sees one value a channel in a batch of one.
    """
    title = "No last batch of one before a batch norm"
    if not norm or not items or not size:
        return None
    if not alone_at_the_end(items, size, drop_last):
        return good("last_batch", title, items % size, unit="items in the last batch")
    why = f"{loader} has {items} items in batches of {size}: the last batch is one item, and `{norm}` needs more "
    why += f"than one value a channel; training will end with an error at batch {items // size + 1}"
    return bad("last_batch", title, 1, why, "drop_last=True.", cause=DATA, unit="items in the last batch")
