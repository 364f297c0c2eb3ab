"""Gradient checkpointing, counted while a step is traced, or left out to see what it saves."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils import checkpoint as checkpoints

from gonogo.memory.trace_result import Traced

PLAIN = checkpoints.checkpoint
ITS_OWN = ("use_reentrant", "context_fn", "determinism_check", "debug", "preserve_rng_state", "early_stop")  # arguments

_current: list[tuple[Traced, bool]] = []  # traces that are going on, and whether they do without; the innermost is last


@contextmanager
def counting_checkpoints(traced: Traced, without: bool) -> Iterator[None]:
    """Within, calls of gradient checkpointing are counted; or are plain calls, to see what it saves."""
    _current.append((traced, without))
    with contextlib.ExitStack() as stack:
        stack.callback(_current.pop)
        for owner in [module for module in list(sys.modules.values()) if vars(module).get("checkpoint") is PLAIN]:
            stack.callback(setattr, owner, "checkpoint", PLAIN)
            owner.checkpoint = _checkpoint  # type: ignore[attr-defined]
        yield


def _checkpoint(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """In torch's place. Modules that are first imported within a trace keep it: it does what the current one wants."""
    if not _current:
        return PLAIN(function, *args, **kwargs)
    traced, without = _current[-1]
    traced.checkpointed += 1
    if not without:
        return PLAIN(function, *args, **kwargs)
    own = {key: value for key, value in kwargs.items() if key not in ITS_OWN}
    return function(*args, **own)
