"""Sends one notice through every entry, each with a few tries, within a bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from gonogo.notify.channel import NotTaken, name_of, send
from gonogo.notify.notice import Notice
from gonogo.notify.told import AT_MOST_S

ANSWER_S = 5.0
PAUSES_S = (1.0, 3.0)  # between tries


def deliver(entry: str | Sequence[str], told: Notice) -> str:
    """Why it was not taken, at the last try; empty: it was."""
    for tries, pause_s in enumerate([*PAUSES_S, None], 1):
        try:
            send(entry, told, ANSWER_S)
            return ""
        except NotTaken as problem:
            if not problem.passing or pause_s is None:
                return f"{problem} ({tries} tries)" if tries > 1 else str(problem)
            time.sleep(pause_s)
        except Exception as error:  # of a library: its words may hold the URL
            return f"failed ({type(error).__name__})"
    raise AssertionError("the last try returns")


def deliver_all(entries: Sequence[str | Sequence[str]], told: Notice) -> list[tuple[str, str]]:
    """Name and problem of each entry, in their order; all are sent to side by side."""
    problems = [f"did not answer within {AT_MOST_S:g} s"] * len(entries)

    def one(index: int) -> None:
        problems[index] = deliver(entries[index], told)

    threads = [threading.Thread(target=one, args=(index,), daemon=True) for index in range(len(entries))]
    until = time.monotonic() + AT_MOST_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=max(0.0, until - time.monotonic()))
    return [(name_of(entry), problem) for entry, problem in zip(entries, list(problems), strict=True)]
