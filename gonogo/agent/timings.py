"""How long the agent waits, and for what; how much it keeps. GONOGO_AGENT_<name> in the environment changes one."""

from __future__ import annotations

import os


def _value(name: str, default: float) -> float:
    return float(os.environ.get(f"GONOGO_AGENT_{name}", default))


BEAT_S = _value("BEAT_S", 1.0)  # between two looks of either watcher
GRACE_S = _value("GRACE_S", 20.0)  # between SIGTERM and SIGKILL
DRAIN_S = _value("DRAIN_S", 2.0)  # for output that is still in the pipe when the command has ended
QUIET_S = _value("QUIET_S", 30.0)  # without progress, until the heartbeat reports it
GPU_EVERY_S = _value("GPU_EVERY_S", 30.0)
START_S = _value("START_S", 30.0)  # for a supervisor's first heartbeat
TIMER_MARGIN_S = _value("TIMER_MARGIN_S", 10.0)  # after the run's limit and grace, until the timer ends it
FROZEN_S = _value("FROZEN_S", 60.0)  # a supervisor that wrote no heartbeat for this long, and did nothing, is frozen
UNRECORDED_S = _value("UNRECORDED_S", 60.0)  # for an end to be written down, until the machine is released without
REBOOT_AT_MOST_S = _value("REBOOT_AT_MOST_S", 600.0)  # that a machine is believed to have been off between two starts
RELAUNCH_WAIT_S = _value("RELAUNCH_WAIT_S", 5.0)  # for a run that has ended to release its lock
LOG_POLL_S = _value("LOG_POLL_S", 0.2)
WATCHER_SILENT_S = _value("WATCHER_SILENT_S", 60.0)  # without a byte from the client, until `follow` ends
RELEASE_PAUSE_S = _value("RELEASE_PAUSE_S", 20.0)  # between two tries of the release command
RELEASE_WAIT_S = _value("RELEASE_WAIT_S", 120.0)  # for one try
PROBE_S = _value("PROBE_S", 300.0)
LOG_AT_MOST_BYTES = int(_value("LOG_AT_MOST_BYTES", 256 << 20))  # of output; then one line a second
