"""Does the planned step fit the card?"""

from __future__ import annotations

from pydantic import BaseModel, Field

from gonogo.config import MemoryGate
from gonogo.measured import Measured
from gonogo.units import gibibytes, gigabytes
from gonogo.verdict import Check, Status


class Trace(BaseModel):
    """One traced training step."""

    parameters: int
    micro_batch_size: int
    accumulate_grad_batches: int
    precision: str
    peak_bytes: int | None = Field(description="live bytes at the peak; null: could not be traced")
    components_bytes: dict[str, int] = Field(description="what the peak is made of")
    operations: int
    error: str = ""
    seconds: float


class Measurements(Measured):
    trace: Trace
    accelerator: str
    capacity_bytes: int | None = Field(description="what the framework sees; null: unknown")
    context_bytes: int = Field(description="driver, libraries and interpreter, before the first tensor")

    @property
    def needed_bytes(self) -> int | None:
        return None if self.trace.peak_bytes is None else self.trace.peak_bytes + self.context_bytes


def judge(measured: Measurements, gate: MemoryGate) -> tuple[list[Check], str]:
    """The traced peak, with its error range, against the card."""
    trace, capacity = measured.trace, measured.capacity_bytes
    needed = measured.needed_bytes
    title = f"Peak of a training step on {measured.accelerator}, micro-batch {trace.micro_batch_size}"
    if needed is None or capacity is None:
        why = f"the step could not be traced: {trace.error}" if needed is None else "the card's memory is not known"
        return [_unknown(title, why)], "MEMORY"
    high = round(needed * (1 + gate.estimate_error))
    room = capacity - high
    card = f"{gigabytes(capacity)} = {gibibytes(capacity)}"
    share = f"{100 * needed / capacity:.0f} % of {card}, ±{100 * gate.estimate_error:.0f} %"
    if needed > capacity:
        status, why = Status.NO_GO, f"the step needs {gigabytes(needed)} ({share}): it will run out of memory"
    elif room < max(1e9, gate.caution_margin * capacity):
        status, why = Status.CAUTION, f"the step needs {gigabytes(needed)} ({share}): tight"
    else:
        status, why = Status.GO, ""
    hint = (
        "Halve micro_batch_size and double accumulate_grad_batches: the effective batch stays the same." if why else ""
    )
    check = Check(
        id="peak_memory", title=title, value=round(needed / 1e9, 2), unit="GB",
        threshold=f"<= {capacity / 1e9:.2f} GB, error range ±{100 * gate.estimate_error:.0f} %",
        status=status, why=why, hint=hint,
    )  # fmt: skip
    return [check], "MEMORY" if status is Status.NO_GO else ""


def _unknown(title: str, why: str) -> Check:
    return Check(
        id="peak_memory", title=title, status=Status.UNKNOWN, why=why,
        hint="An unknown peak is not a GO. Make the training step traceable, or record an override with its reason.",
    )  # fmt: skip
