"""How long the agent waits, and for what: seconds. GONOGO_AGENT_<name> in the environment changes one, for tests."""

from __future__ import annotations

import os


def _seconds(name: str, default: float) -> float:
    return float(os.environ.get(f"GONOGO_AGENT_{name}", default))


BEAT_S = _seconds("BEAT_S", 1.0)  # between two looks of either watcher
GRACE_S = _seconds("GRACE_S", 20.0)  # between SIGTERM and SIGKILL
DRAIN_S = _seconds("DRAIN_S", 2.0)  # for output that is still in the pipe when the command has ended
QUIET_S = _seconds("QUIET_S", 30.0)  # without progress, until the heartbeat reports it
GPU_EVERY_S = _seconds("GPU_EVERY_S", 30.0)
START_S = _seconds("START_S", 30.0)  # for a supervisor's first heartbeat
TIMER_MARGIN_S = _seconds("TIMER_MARGIN_S", 10.0)  # after the run's limit and grace, until the timer ends it
RELAUNCH_WAIT_S = _seconds("RELAUNCH_WAIT_S", 5.0)  # for a run that has ended to release its lock
LOG_POLL_S = _seconds("LOG_POLL_S", 0.2)
WATCHER_SILENT_S = _seconds("WATCHER_SILENT_S", 60.0)  # without a byte from the client, until `follow` ends
RELEASE_PAUSE_S = _seconds("RELEASE_PAUSE_S", 20.0)  # between two tries of the release command
RELEASE_WAIT_S = _seconds("RELEASE_WAIT_S", 120.0)  # for one try
PROBE_S = _seconds("PROBE_S", 300.0)
