"""Everything that the client asks a machine, one after the other; run in a process of its own, to measure it.

`python -m tests.faults.hostile_client SSH TARGET FOLDER` prints a line of JSON for each, and at last the peak memory.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.config.load import load
from gonogo.config.target import Ssh, Target
from gonogo.remote import follow as follow_module
from gonogo.remote import machine as machine_module
from gonogo.remote.answers import Busy, Fetched, MachineRuns, Released, RunState, Turn
from gonogo.remote.follow import follow
from gonogo.remote.machine import Machine, connect
from gonogo.remote.setup import set_up
from gonogo.remote.transfer import Saved, download, upload, verify
from gonogo.stages.remote_run import at_work, parsed_result
from tests.conftest import ROOT

SHORT_S = 4.0  # in place of what a machine may take to answer


class Enough(Exception):
    """A log that goes on for ever is a run that goes on: the watching is ended here."""


def quiet(done: int, total: int) -> None:
    """Nobody reads it."""


def impatient() -> None:
    """Wait for seconds where the shipped client waits for minutes."""
    from gonogo.remote.transfer import checkpoints, downloads, uploads, verification, worker_pool

    for module in (checkpoints, downloads, uploads, verification, worker_pool):
        module.HASHING_S = SHORT_S  # type: ignore[attr-defined]
    worker_pool.BEGIN_S = worker_pool.SILENT_S = SHORT_S
    follow_module.SILENT_S = SHORT_S
    for method in (Machine.ask, Machine.run_agent):
        method.__kwdefaults__["timeout_s"] = SHORT_S
    for name, value in inspect.getmembers(machine_module):
        if name.endswith("_S") and isinstance(value, float):
            setattr(machine_module, name, min(value, SHORT_S))


def operations(ssh: Ssh, target: Target, here: Path) -> dict[str, Callable[[Machine], Any]]:
    from gonogo.remote.transfer.checkpoints import fetch_checkpoints

    shipped = load({}, ROOT)
    data = here / "data"
    data.mkdir()
    (data / "one.bin").write_bytes(b"x" * 100_000)
    (here / "requirements.txt").write_text("torch\n")
    lines = 0

    def log(text: str) -> None:
        nonlocal lines
        lines += 1
        if lines > 1000:
            raise Enough

    def result(machine: Machine) -> None:
        text = machine.read_text("w/runs/r/out/training.json")
        if text is not None:
            parsed_result(text.encode(errors="replace"), "training.json")

    return {
        "setup": lambda machine: set_up(machine, target, shipped.accelerator, here / "requirements.txt"),
        "launch": lambda machine: machine.launch("w/runs/r", key="k", workspace="w", arguments=["-c", "pass"]),
        "fetch": lambda machine: machine.ask(Fetched, "fetch", "w/code", stdin="[]"),
        "stop": lambda machine: machine.ask(RunState, "stop", "w/runs/r"),
        "busy": lambda machine: machine.ask(Busy, "busy", "."),
        "turn": lambda machine: machine.ask(Turn, "turn", "w/runs/r"),
        "active": lambda machine: at_work(machine, "w"),
        "runs": lambda machine: machine.ask(MachineRuns, "runs", "."),  # type: ignore[type-var]
        "release": lambda machine: machine.ask(Released, "release", "w/runs/r"),
        "verify": lambda machine: verify(machine, "w"),
        "result": result,
        "upload": lambda machine: upload(machine, {"data": data}, "w", quiet),
        "checkpoints": lambda machine: fetch_checkpoints(machine, "w/runs/r", here / "checkpoints"),
        "saved": lambda machine: fetch_checkpoints(machine, "w/runs/r", here / "saved", saved=Saved("w", ("*.pt",))),
        "download": lambda machine: download(machine, "w/runs/r", here / "archive" / "one", quiet),
        "follow": lambda machine: follow(ssh, target, "w/runs/r", log, lambda beat: None, patience_s=0),
    }


def peak_bytes() -> int:
    """Of this process; what getrusage says begins with the memory of the process that started it."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) << 10


def main() -> None:
    ssh, target = Ssh.model_validate_json(sys.argv[1]), Target.model_validate_json(sys.argv[2])
    impatient()
    for name, work in operations(ssh, target, Path(sys.argv[3])).items():
        began, worked, said, fault = time.monotonic(), time.process_time(), "", ""
        try:
            with connect(ssh, target) as machine:
                work(machine)
        except UserError as error:
            said = str(error)
        except Enough:
            pass
        except BaseException:
            fault = traceback.format_exc()
        took = {"seconds": time.monotonic() - began, "cpu_s": time.process_time() - worked}
        print(json.dumps({"name": name, "said": said, "fault": fault, **took}), flush=True)
    print(json.dumps({"peak_bytes": peak_bytes()}), flush=True)


if __name__ == "__main__":
    main()
