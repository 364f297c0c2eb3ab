"""What a run's steps showed, with what its loader says of the epoch's end; and whether it can be trained at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gonogo.learning.loss_call_checks import alone_at_the_end
from gonogo.learning.measurements import DataSummary, OneBatch
from gonogo.learning.step_facts import StepFacts

if TYPE_CHECKING:
    from gonogo.learning.callback import Watch


def run_facts(watch: Watch, loader: Any) -> StepFacts:
    """So far; of a run without a step, what its loader says."""
    items, size, drops = epoch_of(loader)
    known = StepFacts(items=items, batch_size=size, drop_last=drops)
    if watch.run is None:
        return known
    digests = watch.run.inputs.digests
    return known.model_copy(
        update={
            "batches": len(digests),
            "distinct_batches": len(set(digests)),
            "optimizers": watch.run.facts(),
            "weights_left": watch.run.weights_left(),
        }
    )


def epoch_of(loader: Any) -> tuple[int | None, int | None, bool]:
    """Samples of its data set, of a batch, and whether a last batch that is not full is left out; None: not known."""
    try:
        items = len(loader.dataset)
    except (AttributeError, TypeError):
        items = None
    return items, getattr(loader, "batch_size", None), bool(getattr(loader, "drop_last", False))


def cannot_train(data: DataSummary, one: OneBatch, loader: Any) -> str:
    """Why a step would end with an error, now or at the end of the epoch; empty: nothing is known."""
    if one.explained.check:
        return one.explained.why
    if data.outside_samples:
        return f"targets contain {', '.join(map(str, data.outside_classes))}, which are no classes"
    items, size, drops = epoch_of(loader)
    if one.batch_norm_alone and alone_at_the_end(items, size, drops):
        return f"the last batch of an epoch is one sample, and `{one.batch_norm_alone}` needs more"
    return ""
