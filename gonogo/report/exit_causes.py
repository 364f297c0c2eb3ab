"""How a run on the machine ended, in words."""

from __future__ import annotations

from gonogo.remote.answers import Attempt, Exit

# what exit.json calls it → what a person reads
CAUSES = {
    "failed": "ended with an error of its own",
    "oom": "ran out of memory, with every smaller plan",
    "killed": "was killed by another process",
    "aborted": "was aborted by its device",
    "nan": "reached a loss that is NaN or infinite",
    "stopped_by_gate": "was stopped by the learning gate",
    "stopped_by_watch": "was stopped by a bound of `watch`",
    "over_estimate": "was stopped because it would exceed its budget or its hours",
    "stalled": "made no step within stall_minutes of the target",
    "over_time": "reached max_hours of the target",
    "over_cost": "reached budget_usd",
    "lease_lost": "had no client connected for lease_minutes",
    "stopped": "was stopped",
    "agent_lost": "lost its supervisor",
    "disk_full": "filled the machine's disk; its last complete checkpoint is kept",
    "unknown": "ended in a way that gonogo does not know",
}


def why(ended: Exit) -> str:
    """The exit as a sentence."""
    how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.code}"
    tries = len(ended.attempts)
    return f"it {cause_words(ended)} ({how}{f', attempt {tries}' if tries > 1 else ''})."


def cause_words(ended: Attempt) -> str:
    """What continues `the run …`."""
    said = f": the machine calls it {ended.cause_said!r}" if ended.cause_said else ""
    return CAUSES.get(ended.cause, "left no result") + said
