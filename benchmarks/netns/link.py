"""Two network namespaces on this machine with a long, lossy line between them. Needs root, gcc and /dev/net/tun."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RELAY = Path(__file__).with_name("relay.c")
NETWORK, NEAR_IP, FAR_IP = "10.77.0.0/24", "10.77.0.1", "10.77.0.2"
QUEUE_PACKETS = 1000


@dataclass(frozen=True)
class Line:
    """Names of the namespaces; a command is run in one by `near(...)` or `far(...)`."""

    near_name: str
    far_name: str

    def near(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.near_name, *words]

    def far(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.far_name, *words]


def impossible() -> str:
    """Why there can be no such line here; empty: there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun"
    missing = [program for program in ("gcc", "ip") if shutil.which(program) is None]
    return f"{missing[0]} is not installed" if missing else ""


@contextmanager
def line(rtt_ms: float, mbit_per_s: float, loss_percent: float, congestion: str = "cubic") -> Iterator[Line]:
    """A line of this round trip, rate and loss, with the congestion control that most machines have."""
    made = Line(f"gonogo-{os.getpid()}-near", f"gonogo-{os.getpid()}-far")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "relay"
        subprocess.run(["gcc", "-O2", "-o", str(program), str(RELAY)], check=True)
        names, relay = (made.near_name, made.far_name), None
        try:
            for name in names:
                _ip("netns", "add", name)
            figures = [str(rtt_ms / 2), str(mbit_per_s), str(loss_percent), str(QUEUE_PACKETS)]
            relay = subprocess.Popen([str(program), *names, *figures], stdout=subprocess.PIPE)
            assert relay.stdout is not None
            relay.stdout.readline()
            for name, address in zip(names, (NEAR_IP, FAR_IP), strict=True):
                _ip("-n", name, "addr", "add", f"{address}/24", "dev", "wan0")
                _ip("-n", name, "link", "set", "wan0", "up")
                _ip("-n", name, "link", "set", "lo", "up")
                _ip("-n", name, "route", "replace", NETWORK, "dev", "wan0", "src", address, "congctl", congestion)
            yield made
        finally:
            if relay:
                relay.kill()
                relay.wait()
            for name in names:
                subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
