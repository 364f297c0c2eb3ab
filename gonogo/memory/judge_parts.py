"""What the memory gate says beside the peak: each part of the run, what grows, and what a trace cannot see."""

from __future__ import annotations

from collections.abc import Iterator

from gonogo.base.units import gigabytes
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.memory.capacity import is_tight
from gonogo.memory.estimate import MemoryEstimate
from gonogo.memory.families import farthest_bytes, stated
from gonogo.memory.growth import Growth
from gonogo.verdict import Check, Status

# until the card is full, of a run whose length is not known: fewer are NO-GO, and CAUTION
LONG_RUN, LONGEST_RUN = 100_000, 1_000_000
DECIDES = 0.10  # of the need: workspaces above it are said though the card has room
SAVES_NOTHING = 0.02  # of the need


def beside_the_peak(found: MemoryEstimate, capacity_bytes: int | None, gate: MemoryGate) -> list[Check]:
    """Nothing of an estimate that is not known."""
    if found.needed_bytes is None:
        return []
    return [
        *_parts(found),
        *_loading(found, capacity_bytes),
        *_checkpointing(found),
        *beside_any_peak(found, capacity_bytes, gate),
    ]


def beside_any_peak(found: MemoryEstimate, capacity_bytes: int | None, gate: MemoryGate) -> list[Check]:
    """Of a script too, whose parts have a check of their own."""
    return [
        *_farthest(found, capacity_bytes, gate),
        *_growth(found, capacity_bytes),
        *_compiled(found, gate),
        *_workspaces(found, capacity_bytes, gate),
    ]


def _farthest(found: MemoryEstimate, capacity_bytes: int | None, gate: MemoryGate) -> Iterator[Check]:
    """Where the peak is judged to have room, and an error as large as the largest that was measured would fill it."""
    needed = found.needed_bytes
    if needed is None or capacity_bytes is None or not found.fits or is_tight(needed, capacity_bytes, gate):
        return
    could = farthest_bytes(found.family, needed)
    if could > capacity_bytes:
        yield Check(
            id="farthest_error", title="With the largest measured error", value=round(could / 1e9, 2),
            unit="GB", threshold=f"<= {capacity_bytes / 1e9:.2f} GB", status=Status.CAUTION,
            why=f"{stated(found.family)}: a run with that error would not fit",
            hint="The canary measures the real peak; a smaller micro-batch leaves room for it.",
        )  # fmt: skip


def _parts(found: MemoryEstimate) -> Iterator[Check]:
    """How much the estimate is about, with what each part needs; parts that were not traced are named."""
    if len(found.parts_bytes) < 2 and not found.missing and not found.looked:
        return
    parts = ", ".join(f"{name} {gigabytes(size)}" for name, size in found.parts_bytes.items())
    missing = "; ".join(f"{name} could not be traced ({why})" for name, why in found.missing.items())
    yield Check(
        id="parts", title="Needed up to the end of each part of the run", value=parts,
        status=Status.CAUTION if missing else Status.GO,
        why="; ".join(filter(None, [missing, *found.looked, stated(found.family)])),
        hint="Leave room for what was not traced: the first one on the machine may need more." if missing else "",
    )  # fmt: skip


def _loading(found: MemoryEstimate, capacity_bytes: int | None) -> Iterator[Check]:
    """Weights of few bits: what they take on their way."""
    if not found.loading_bytes or capacity_bytes is None:
        return
    beyond = found.loading_bytes > capacity_bytes
    yield Check(
        id="loading", title="Loading weights that are packed into few bits", value=round(found.loading_bytes / 1e9, 2),
        unit="GB", threshold=f"<= {capacity_bytes / 1e9:.2f} GB", status=Status.CAUTION if beyond else Status.GO,
        why="at 16 bits, where the library puts all of them on the card before it packs them; tensor by tensor it is "
        "the packed size",
        hint="Load weights that were packed before, or let the library pack each tensor as it comes." if beyond else "",
    )  # fmt: skip


def _growth(found: MemoryEstimate, capacity_bytes: int | None) -> Iterator[Check]:
    """Memory that every step leaves behind, against the steps that are planned."""
    grown = found.growth
    if grown is None or capacity_bytes is None:
        return
    planned = found.epoch_steps if grown.ends_with_epoch else found.planned_steps
    room = max(capacity_bytes - (found.needed_bytes or 0), 0)
    full_after = room // grown.bytes_per_step
    graph = grown.graph_nodes > 0 and not grown.ends_with_epoch
    stops = graph or full_after < (planned or LONG_RUN)
    if not stops and (planned or full_after >= LONGEST_RUN):
        return
    yield Check(
        id="growth", title="Memory that grows from step to step", value=_per_step(grown), threshold="nothing",
        status=Status.NO_GO if stops else Status.CAUTION, why=_grows(found, grown, full_after, planned),
        hint="Keep numbers, not tensors: loss.item() or loss.detach(), and clear what is kept at the end of an epoch.",
    )  # fmt: skip


def _per_step(grown: Growth) -> str:
    size = grown.bytes_per_step
    return f"{size / 1e6:.1f} MB a step" if size >= 100_000 else f"{size:,} B a step"


def _grows(found: MemoryEstimate, grown: Growth, full_after: int, planned: int) -> str:
    source = f"{grown.what}{f' at {grown.where}' if grown.where else ''}"
    run = f", of {planned:,} in {'an epoch' if grown.ends_with_epoch else 'the run'}" if planned else ""
    said = f"it grows {_per_step(grown)}: full after {full_after:,} steps{run}; what is kept is from {source}"
    if not grown.graph_nodes:
        return said
    host = grown.host_bytes_per_step / 1e6
    return (
        f"{said}, with its graph of {grown.graph_nodes:,} operations a step, which takes about {host:.2f} MB a step of "
        "the machine's own memory"
    )


def _compiled(found: MemoryEstimate, gate: MemoryGate) -> Iterator[Check]:
    if found.compiled:
        wide = f"−{100 * 2 * gate.estimate_excess:.0f} to +{100 * 2 * gate.estimate_error:.0f} %"
        yield Check(
            id="compiled", title="The step is compiled", value=found.compiled, status=Status.CAUTION,
            why="it was traced as eager: what the compiler fuses needs less, what it keeps or pads needs more; allow "
            f"for {wide}, which is not measured",
            hint="The canary measures the compiled step.",
        )  # fmt: skip


def _checkpointing(found: MemoryEstimate) -> Iterator[Check]:
    saves = found.checkpointing_saves_bytes
    if saves is not None and saves < SAVES_NOTHING * (found.needed_bytes or 0):
        yield Check(
            id="checkpointing", title="Gradient checkpointing", value=f"saves {max(saves, 0) / 1e9:.1f} GB here",
            threshold="less memory than without", status=Status.CAUTION,
            why="without it the step needs as much, and it costs a second forward pass",
            hint="Reentrant checkpointing keeps nothing and trains nothing where no input needs a gradient: "
            "use_reentrant=False, or model.enable_input_require_grads().",
        )  # fmt: skip


def _workspaces(found: MemoryEstimate, capacity_bytes: int | None, gate: MemoryGate) -> Iterator[Check]:
    """Where convolutions' fastest algorithms would fill the card, or are much of what is needed."""
    fastest, needed = found.fastest_bytes, found.needed_bytes or 0
    if fastest is None or capacity_bytes is None or not found.fits:
        return
    decide = fastest > capacity_bytes - gate.estimate_error * fastest >= needed
    if not decide and fastest - needed < DECIDES * needed:
        return
    slower = ": where there is less room, slower algorithms run" if decide else ""
    yield Check(
        id="workspaces", title="With the libraries' fastest algorithms", value=round(fastest / 1e9, 2), unit="GB",
        threshold=f"<= {capacity_bytes / 1e9:.2f} GB", status=Status.CAUTION,
        why=f"convolutions take up to {gigabytes(fastest - needed)} of workspace beside their tensors{slower}",
        hint="The driver may show up to this figure; a batch that leaves room for it runs fastest." if decide else "",
    )  # fmt: skip
