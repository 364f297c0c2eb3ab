"""Values of tensors that lie on a card that is not there: known ones are exact, the others are taken as one.

A floating-point number that a script prints or averages changes nothing about its memory. One that it compares may
change its way (the best checkpoint, an early end), so that is noted, with its place in the script. A truth value or a
whole number may become a shape: it is a guess, unless it is a count or says whether all is finite.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gonogo.memory import constant_values
from gonogo.memory.torch_private import DisableTorchDispatch, FakeTensor

MOST_ELEMENTS = 1 << 24  # of a tensor that leaves the card as real memory; larger ones stay without data
COUNTS = ("aten.sum", "aten.count_nonzero", "aten.mul", "aten.add", "aten.div", "aten._to_copy", "aten.full")
FINITE = ("aten.isnan", "aten.isinf", "aten.isfinite")
ORDERED = ("aten.lt", "aten.le", "aten.gt", "aten.ge")  # of single numbers: a loss and the best so far
SMALLER = 1e-3
STAND_INS = "values that leave the card are stand-ins between 0.5 and 1"
LARGE = 1e12  # beyond it a value is more likely memory that nothing was written to
Asked = Callable[[str], None]


class GuessedFloat(float):
    """1.0, until it is compared: then `asked` is called with the sentence to log."""

    source: str
    asked: Asked

    def __new__(cls, value: float, source: str, asked: Asked) -> GuessedFloat:
        made = super().__new__(cls, value)
        made.source, made.asked = source, asked
        return made

    def __reduce__(self) -> Any:
        return float, (float(self),)

    def __hash__(self) -> int:
        return hash(float(self))

    def __bool__(self) -> bool:
        self.asked(f"{self.source}: compared, where its value is not known; {float(self):.3g} was assumed")
        return float(self) != 0


def _derived(name: str) -> Callable[..., Any]:
    plain = getattr(float, name)

    def operation(self: GuessedFloat, *others: Any) -> Any:
        made = plain(self, *others)
        return GuessedFloat(made, self.source, self.asked) if type(made) is float else made

    return operation


def _compared(name: str) -> Callable[..., Any]:
    plain = getattr(float, name)

    def operation(self: GuessedFloat, other: Any) -> Any:
        self.asked(f"{self.source}: compared, where its value is not known; {float(self):.3g} was assumed")
        return plain(self, other)

    return operation


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow"):
    setattr(GuessedFloat, f"__{_name}__", _derived(f"__{_name}__"))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(GuessedFloat, f"__{_name}__", _compared(f"__{_name}__"))


def place(folder: Path) -> str:
    """Where the script is: file:line of its own innermost frame; empty if none of them runs."""
    file, line = _line(folder)
    return f"{file.removeprefix(f'{folder}/')}:{line}" if file else ""


def _line(folder: Path) -> tuple[str, int]:
    frame: Any = sys._getframe(1)
    inside = f"{folder}/"
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(("/", "<")) or (file.startswith(inside) and "/site-packages/" not in file):
            return file, frame.f_lineno
        frame = frame.f_back
    return "", 0


def _asserted(folder: Path) -> bool | None:
    """What a truth value must be for the assertion that the script is at to hold; None: it is at none."""
    file, line = _line(folder)
    words = linecache.getline(file, line).split() if file else []
    return words[1:2] != ["not"] if words[:1] == ["assert"] else None


def scalar(tensor: Tensor, step: int, folder: Path, assume: Asked, note: Asked) -> Any:
    """`tensor.item()` of a fake tensor.

    Args:
        step: optimizer steps so far; a value is a little smaller after each, as a script that keeps the best expects.
        assume: called where the step's memory may depend on the guess.
        note: called where the script compares it, and so where it goes next.
    """
    value = constant_values.scalar(tensor)
    if value is not None:
        return value
    operator = getattr(tensor, "made_by", "an operation").removesuffix(".default")
    where = place(folder)
    source = f"{where}, {operator}" if where else operator
    if tensor.dtype == torch.bool:
        return _truth(tensor, operator, source, _asserted(folder), assume, note)
    if tensor.dtype.is_floating_point:
        return GuessedFloat(1 / (1 + SMALLER * max(step, 0)), source, note)
    if tensor.dtype.is_complex:
        return 1 + 0j
    if not operator.startswith(COUNTS):
        assume(f"{source}: its value is not known, 1 was assumed")
    return 1


def _truth(tensor: Tensor, operator: str, source: str, asserted: bool | None, assume: Asked, note: Asked) -> bool:
    about_numbers = getattr(tensor, "about_numbers", False) or operator.startswith(FINITE)
    if not about_numbers and asserted is not None:
        note(f"{source}: asserted, where its value is not known; it was assumed to hold")
        return asserted
    if operator.startswith(ORDERED):
        note(f"{source}: compared, where its value is not known; False was assumed")
        return False
    guess = "all" in operator or operator.startswith("aten.isfinite")
    if not about_numbers:
        assume(f"{source}: its value is not known, {guess} was assumed")
    return guess


def off_card(tensor: FakeTensor, out: Tensor | None = None) -> Tensor:
    """A real tensor of this shape: the values where they are known, else 0.5 to 1, or zeros for integers.

    Args:
        out: what the operation that copies it to the processor made: of that dtype, and memory that nothing was
            written to, or fake. It comes back itself where it has more than `MOST_ELEMENTS`.
    """
    out = tensor if out is None else out
    if tensor.numel() > MOST_ELEMENTS:
        return out
    value = constant_values.known(tensor)
    with DisableTorchDispatch():
        if value is not None and value.shape == tensor.shape and bool((value.abs() < LARGE).all()):
            return value.to(out.dtype, copy=True)
        dtype, shape = out.dtype, tensor.shape
        if dtype.is_floating_point and tensor.numel() > 1:  # of which a histogram can be made
            return torch.linspace(0.5, 1, tensor.numel(), device="cpu").reshape(tuple(shape)).to(dtype)
        one = dtype != torch.bool and (dtype.is_floating_point or dtype.is_complex or tensor.numel() == 1)
        return torch.full(tuple(shape), int(one), dtype=dtype, device="cpu")
