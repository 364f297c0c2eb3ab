"""What a run meets beside its ordinary step, traced after it: its longest batch, validation, a checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from gonogo.memory.growth import Growth, growth, with_source
from gonogo.memory.part_names import CHECKPOINT, VALIDATION
from gonogo.memory.torch_private import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedOperatorException,
)
from gonogo.training.sharding import whole_state

if TYPE_CHECKING:
    from gonogo.experiment.step import Step
    from gonogo.memory.recorder import AllocationRecorder
    from gonogo.memory.trace_result import Traced

OURS = ("FakeTensor", "fake tensor", "numpy", "data pointer", "meta tensor", "storage")  # words of its errors
MORE_STEPS = 2  # that tell growth from what a second step makes once
MOST_HELD = 256  # blocks that stand for a validation's kept outputs


def trace_growth(one_step: Callable[[], None], recorder: AllocationRecorder, grown: int, traced: Traced) -> None:
    """Where the second step left more behind than the first, make two more, and say what each of them leaves."""
    if grown <= 0:
        return
    recorder.placing, since = True, recorder.rows
    for number in range(MORE_STEPS):
        recorder.step += 1
        one_step()
        since = recorder.rows if not number else since
    recorder.placing = False
    found = growth(recorder.events())
    traced.growth = None if found is None else with_source(found, recorder, 0)


def released(release: Callable[[], Any], recorder: AllocationRecorder, found: Growth) -> Growth:
    """Whether the end of an epoch lets go of what steps have kept."""
    before = recorder.live_bytes
    with contextlib.suppress(Exception):  # it may want a Trainer, or values
        release()
    gone = before - recorder.live_bytes >= found.bytes_per_step
    return found.model_copy(update={"ends_with_epoch": gone})


def trace_other_batches(
    step: Step, one_step: Callable[[Any], None], recorder: AllocationRecorder, traced: Traced
) -> None:
    """A step of each other batch, then the ordinary one again: what the allocator keeps of the short ones counts."""
    try:
        for what, batch in step.other_batches:
            recorder.step += 1
            traced.batches[recorder.step] = what
            one_step(batch)
        if step.other_batches:
            recorder.step += 1
            one_step(step.batch)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as problem:
        said = next((line for line in str(problem).splitlines() if line.strip()), "")
        traced.missing[f"batches vary in shape: {what}"] = f"{type(problem).__name__}: {said}"


def trace_validation(step: Step, on_card: Callable[[Any], Any], recorder: AllocationRecorder, traced: Traced) -> None:
    """One validation batch; a second one, behind what a whole validation keeps, where the first leaves outputs."""
    if step.validate is None:
        return
    batch = step.batch if step.validation_batch is None else step.validation_batch
    with _apart(VALIDATION, recorder, traced), torch.no_grad():
        step.model.eval()
        before = set(recorder.alive(0))
        moved = on_card(batch)
        step.validate(moved)
        del moved
        kept = [size for block, size in recorder.alive(0).items() if block not in before]
        if kept:
            held = _whole(kept, max(step.validation_batches - 2, 0))
            blocks = recorder.hold(held)
            moved = on_card(batch)
            step.validate(moved)
            del moved
            recorder.let_go(blocks, held)
            counted = step.validation_batches or 2
            traced.looked.append(f"validation keeps {sum(kept) / 1e6:.1f} MB of each of its {counted} batches")
    step.model.train()


def _whole(kept: list[int], batches: int) -> list[int]:
    """The blocks that so many batches keep, in few."""
    if not batches:
        return []
    if len(kept) * batches <= MOST_HELD:
        return kept * batches
    return [sum(kept)] * batches if batches <= MOST_HELD else [sum(kept) * batches]


def trace_checkpoint(step: Step, optimizers: Any, recorder: AllocationRecorder, traced: Traced) -> None:
    """What is saved, as hooks of the project change it, and the same read back over the model."""
    with _apart(CHECKPOINT, recorder, traced), torch.no_grad():
        saved: dict[str, Any] = (
            whole_state(step.model, optimizers)
            if step.shards_weights
            else {
                "state_dict": step.model.state_dict(),
                "optimizer_states": [optimizer.state_dict() for optimizer in optimizers],
            }
        )
        if step.checkpoint is not None:
            step.checkpoint(saved)
        del saved


@contextmanager
def _apart(phase: str, recorder: AllocationRecorder, traced: Traced) -> Iterator[None]:
    """In a phase of its own: what goes wrong in it says nothing of the step, and nor do values that only it assumes."""
    guesses, recorder.phase = dict(recorder.guesses), phase
    try:
        yield
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as problem:
        said = next((line for line in str(problem).splitlines() if line.strip()), "")
        if phase == CHECKPOINT or _wants_values(problem):
            traced.looked.append(f"{phase} was traced up to {recorder.last_op}, for want of values")
        else:
            traced.missing[phase] = f"{type(problem).__name__}: {said}"
    finally:
        recorder.guesses = guesses
        recorder.phase = "zero_grad"


def _wants_values(problem: Exception) -> bool:
    """Whether it is the trace that fails, which has no data, and not the project's code: metrics are computed last."""
    of_data = (DataDependentOutputException, DynamicOutputShapeException, UnsupportedOperatorException)
    return isinstance(problem, of_data) or any(word in str(problem) for word in OURS)
