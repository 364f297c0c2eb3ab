"""What one optimizer step computes and moves: counted operation by operation, in the second step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from gonogo.forecast.step_work import Work
from gonogo.memory.recorder import VIEWS
from gonogo.memory.torch_private import FakeTensor
from gonogo.script.card.course import APART, Course

COUNTED_STEP = 1
NAMES = {torch.float16: "fp16", torch.bfloat16: "bf16", torch.float32: "fp32", torch.float64: "fp64"}


class WorkCounter:
    """Floating-point operations by torch's own formulas; bytes of all operands and results."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.flop: dict[str, float] = {}
        self.moved_bytes = self.operations = self.backwards = 0.0
        self.skipped = 0
        course.recorder.seen = self.seen

    def seen(self, func: Any, args: tuple[Any, ...], out: Any) -> None:
        """An operation on the card has run."""
        recorder = self.course.recorder
        if recorder.step != COUNTED_STEP or recorder.phase in APART or func in VIEWS:
            return
        self.backwards = self.course.backwards_in_step
        self.operations += 1
        self.moved_bytes += sum(_bytes(leaf) for leaf in (*args, out))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            dtype = self._dtype(func, next(leaf for leaf in args if isinstance(leaf, Tensor)).dtype)
            self.flop[dtype] = self.flop.get(dtype, 0.0) + formula(*args, out_val=out)

    def _dtype(self, func: Any, dtype: torch.dtype) -> str:
        if dtype != torch.float32:
            return NAMES.get(dtype, "fp32")
        tf32 = torch.backends.cudnn.allow_tf32 if "convolution" in func.__name__ else _matmul_in_tf32()
        return "tf32" if tf32 else "fp32"

    def work(self) -> Work | None:
        """Of the whole step, with the micro-batches that were not traced again; None before the second step's end."""
        if self.course.done <= COUNTED_STEP or not self.operations:
            return None
        passes = max(self.backwards, 1.0)
        share = passes / max(passes - self.skipped, 1.0)
        return Work(
            flop={dtype: count * share for dtype, count in self.flop.items()}, moved_bytes=self.moved_bytes * share,
            operations=self.operations * share, backward_passes=passes,
        )  # fmt: skip


def _matmul_in_tf32() -> bool:
    return torch.get_float32_matmul_precision() != "highest"


def _bytes(leaf: Any) -> int:
    if isinstance(leaf, FakeTensor):
        return leaf.numel() * leaf.element_size()
    return sum(_bytes(item) for item in leaf) if isinstance(leaf, (list, tuple)) else 0
