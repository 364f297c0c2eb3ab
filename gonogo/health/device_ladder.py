"""Is the device healthy? A child climbs the rungs of `gonogo.agent.device_probe`, held to a time for each."""

from __future__ import annotations

import datetime as dt
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from gonogo.agent.device_probe import RUNGS
from gonogo.base.digests import digest
from gonogo.config.device_choice import HIDDEN
from gonogo.verdict import Check, Status, Verdict, decide

RUNG_S = 60.0  # the first use of a device compiles kernels
SAID_BYTES = 1 << 16
HINTS = {
    "import": "Install torch for this machine.",
    "device": "Install the build of torch for this device, or train on the CPU (device: cpu in the target).",
}
TRAIN_ON_CPU = "Train on the CPU (device: cpu in the target), or on another machine."


@dataclass
class LadderResult:
    """How far a child came."""

    # of each rung that was tried, in order; the last one ended it, unless all were passed
    seconds: dict[str, float] = field(default_factory=dict)
    problem: str = ""  # why it ended; empty: it passed every rung
    facts: dict[str, Any] = field(default_factory=dict)  # device, device_bytes, torch_version, torch_build

    @property
    def healthy(self) -> bool:
        return not self.problem


def climb(device: str, size_bytes: int = 1 << 20, rung_s: float = RUNG_S) -> LadderResult:
    """Have a child try `device` (`cuda` or `cpu`); one that hangs on a rung for `rung_s` is killed.

    For `cpu` every GPU is hidden from the child.
    """
    environment = {**os.environ, **(HIDDEN if device == "cpu" else {})}
    child = subprocess.Popen(
        [sys.executable, "-u", "-m", "gonogo.agent.device_probe", device, str(size_bytes)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        start_new_session=True,
    )  # fmt: skip
    found, said, hung = _follow(child, rung_s)
    if hung:
        found.problem = f"hung for {rung_s:g} s and was killed"
    elif child.returncode < 0:
        found.problem = f"the process was ended by {signal.Signals(-child.returncode).name}"
    elif child.returncode:
        found.problem = (said.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
    return found


def _follow(child: subprocess.Popen[bytes], rung_s: float) -> tuple[LadderResult, str, bool]:
    """Read the child's output until it ends, or a rung takes too long; returns also its stderr, and whether it hung."""
    assert child.stdout is not None and child.stderr is not None
    found, pending, errors, began = LadderResult(), b"", b"", time.monotonic()
    hung = False
    with selectors.DefaultSelector() as ready:
        for stream in (child.stdout, child.stderr):
            ready.register(stream, selectors.EVENT_READ)
        while ready.get_map():
            left_s = rung_s - (time.monotonic() - began)
            if left_s <= 0:
                hung = True
                break
            for key, _ in ready.select(left_s):
                data = os.read(key.fd, SAID_BYTES)
                if not data:
                    ready.unregister(key.fileobj)
                elif key.fileobj is child.stderr:
                    errors = (errors + data)[-SAID_BYTES:]
                else:
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        began = _line(found, line.decode(errors="replace"), began)
    if not hung:
        try:  # it may have closed its output, and live on
            child.wait(rung_s)
        except subprocess.TimeoutExpired:
            hung = True
    if hung:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    _close(found, began)
    for stream in (child.stdout, child.stderr):  # not read to their ends: a process that left the group may hold them
        stream.close()
    return found, errors.decode(errors="replace"), hung


def _line(found: LadderResult, line: str, began: float) -> float:
    """Record a line of the child's; returns when the rung that is now tried began."""
    name = line.removeprefix("rung ")
    if name in RUNGS:
        _close(found, began)
        found.seconds[name] = 0.0
        return time.monotonic()
    if line.startswith("{"):
        found.facts = json.loads(line)
    return began


def _close(found: LadderResult, began: float) -> None:
    if found.seconds:
        found.seconds[list(found.seconds)[-1]] = round(time.monotonic() - began, 3)


def verdict(found: LadderResult, device: str) -> Verdict:
    """A check for each rung; those above the one that failed are unknown."""
    tried = list(found.seconds)
    checks = []
    for name in RUNGS:
        status = Status.GO if name in tried else Status.UNKNOWN
        why = "" if name in tried else "not tried"
        if not found.healthy and name == (tried[-1] if tried else RUNGS[0]):
            status, why = Status.NO_GO, f"at '{name}': {found.problem}"
        checks.append(
            Check(
                id=name,
                title=f"{device}: {name}",
                value=found.seconds.get(name),
                unit="s",
                status=status,
                why=why,
                hint=HINTS.get(name, TRAIN_ON_CPU) if status is Status.NO_GO else "",
            )
        )
    return decide(
        checks,
        gate="health",
        experiment="",
        cause="" if found.healthy else "DEVICE",
        measured_at=dt.datetime.now(dt.UTC),
        inputs_digest=digest(device, found.facts),
    )
