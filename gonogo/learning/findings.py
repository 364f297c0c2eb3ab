"""What the tests of the judges share: a check with the cause that it names, and how to make one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gonogo.verdict import Check, Status, not_measured

DATA, LEAKAGE, WIRING, BLIND = "DATA", "LEAKAGE", "WIRING", "INPUT IGNORED"
DIVERGING, UNDERTRAINED, LOSS = "DIVERGING", "UNDERTRAINED", "LOSS"


class CheckAndCause(NamedTuple):
    """A check, and the cause it names where it is NO-GO."""

    check: Check
    cause: str


def good(
    id_: str, title: str, value: float | str | bool | None = True, unit: str = "", threshold: str = ""
) -> CheckAndCause:
    """A check that passes; without another value it says that it is so."""
    return CheckAndCause(Check(id=id_, title=title, value=value, unit=unit, threshold=threshold, status=Status.GO), "")


def bad(
    id_: str, title: str, value: float | str | None, why: str, hint: str, *, cause: str = WIRING,
    status: Status = Status.NO_GO, unit: str = "", threshold: str = "",
) -> CheckAndCause:  # fmt: skip
    check = Check(
        id=id_, title=title, value=value, unit=unit, threshold=threshold, status=status, why=why, hint=hint
    )  # fmt: skip
    return CheckAndCause(check, cause if status is Status.NO_GO else "")


def unknown(id_: str, title: str, why: str, hint: str = "") -> CheckAndCause:
    return bad(id_, title, None, why, hint, status=Status.UNKNOWN)


def skipped(id_: str, title: str, why: str, threshold: str = "") -> CheckAndCause:
    """What this run could not show, and no verdict waits for."""
    return CheckAndCause(not_measured(id_, title, why, threshold=threshold), "")


def listed(names: Sequence[str], most: int = 3) -> str:
    """`a`, `b` and 4 more."""
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def at(where: str) -> str:
    return f" ({where})" if where else ""
