"""Kill -9 of everything at random seconds while the `tiny` chain runs, until it ends as an undisturbed one does.

    python benchmarks/chaos.py [--kills 50] [--seed 1] [--json FILE]     # about 30 minutes on two idle cores

The machine is OpenSSH's server on loopback, and a file that the release command removes. After each kill the same
command is given again. Each chain that ends is compared with the undisturbed one: verdicts, archive, paid runs.
Keys of the JSON: seed, kills, victims, chains, different, paid_twice, left_billing, stuck, longest_chain_kills.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from figures import save

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.faults.servers import SSHD, OpenSsh
from tests.workflow.test_own_machine import Box, made, server_folder

ARGUMENTS = ("--config", "experiments=tiny", "target=box")
MEAN_PAUSE_S = 12.0  # between two kills
LONGEST_S = 1800.0  # a chain that takes longer is stuck
BY_ROLE = {
    " agent.pyz supervise": "supervisor",
    " agent.pyz timer": "timer",
    " agent.pyz": "agent",
    "gonogo.training": "training",
    "snakemake": "snakemake",
    "sshd": "ssh session",
}


@dataclass(frozen=True)
class Outcome:
    """What a chain leaves that must not depend on how often it was killed."""

    verdicts: dict[str, str]  # gate -> status
    archive: list[str]  # names of the files of the archive of the paid run
    runs: dict[str, int]  # mode -> runs on the machine
    released: bool


@dataclass
class Tally:
    kills: int = 0
    victims: Counter[str] = field(default_factory=Counter)
    chains: list[int] = field(default_factory=list)  # kills of each chain that ended
    different: list[str] = field(default_factory=list)
    paid_twice: int = 0
    left_billing: int = 0
    stuck: int = 0


@contextlib.contextmanager
def fresh_box() -> Iterator[Box]:
    with tempfile.TemporaryDirectory(prefix="gonogo-chaos-") as name, pytest.MonkeyPatch.context() as patch:
        folder = Path(name)
        for box in made(folder, patch, OpenSsh(server_folder(folder)), folder / "there", str(folder / "there")):
            config = box.site.folder / "config/targets/box.yaml"
            target = yaml.safe_load(config.read_text())
            # a machine that is gone does not answer
            target["release"]["command"] = f"rm -f {box.machine}; pkill -f {folder}/server/sshd_config || true"
            config.write_text(yaml.safe_dump(target))
            yield box


def outcome(box: Box) -> Outcome:
    results = box.site.folder / "results/tiny"
    statuses = {
        str(path.relative_to(results)): json.loads(path.read_text())["status"] for path in results.rglob("verdict.json")
    }
    archives = list((box.site.folder / "archive/tiny").iterdir())
    names = sorted(str(path.relative_to(folder)) for folder in archives for path in folder.rglob("*") if path.is_file())
    runs = Counter(path.name.split("_")[1] for path in (box.root / "tiny/runs").iterdir())
    return Outcome(statuses, names, dict(runs), not box.machine.exists())


def alive(folder: Path, server: OpenSsh) -> list[psutil.Process]:
    """Every process of the chain, here and on its machine, but for the SSH server itself."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "cwd", "name"]):
        said = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
        if process.pid != os.getpid() and any(str(folder) in word for word in said):
            found.append(process)
    sessions = [child for process in found if "sshd" in process.name() for child in process.children()]
    return [process for process in {*found, *sessions} if not _is_listener(process)]


def _is_listener(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "sshd" in process.name() and any("sshd_config" in word for word in process.cmdline())
    return True


def role(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        words = " ".join([process.name(), *process.cmdline()])
        return next((name for sign, name in BY_ROLE.items() if sign in words), "a job")
    return "gone"


def kill(choice: random.Random, box: Box, running: Any) -> str:
    """Kill something at random; what it was."""
    what = choice.choice(["snakemake and its jobs", "one process", "one process", "everything"])
    if what == "snakemake and its jobs":
        os.killpg(running.pid, signal.SIGKILL)
        return what
    there = alive(box.site.folder.parent, box.server)
    if what == "one process":
        there = [choice.choice(sorted(there, key=lambda process: process.pid))] if there else []
        what = role(there[0]) if there else "nothing"
    for process in there:
        with contextlib.suppress(psutil.Error):
            process.kill()
    return what


def one_chain(choice: random.Random, left: int, tally: Tally, undisturbed: Outcome) -> None:
    """One chain to its end, killed at most `left` times on its way."""
    with fresh_box() as box:
        started, killed, before = time.monotonic(), 0, 0
        while time.monotonic() - started < LONGEST_S:
            running, before = box.site.start(*ARGUMENTS), killed
            while running.poll() is None:
                pause = choice.expovariate(1 / MEAN_PAUSE_S)
                with contextlib.suppress(Exception):
                    running.wait(pause if killed < left else LONGEST_S)
                if running.poll() is None and killed < left:
                    what = kill(choice, box, running)
                    killed += 1
                    tally.victims[what] += 1
                    print(f"  {time.monotonic() - started:5.0f} s  killed: {what}", flush=True)
                    time.sleep(0.5)
            if running.returncode == 0 or killed == before:
                break
        _account(box, running.returncode, killed, tally, undisturbed)


def _account(box: Box, code: int | None, killed: int, tally: Tally, undisturbed: Outcome) -> None:
    tally.kills += killed
    tally.chains.append(killed)
    if code != 0:
        tally.stuck += 1
        print((box.site.folder / "snakemake.txt").read_text()[-4000:], flush=True)
        return
    ended = outcome(box)
    tally.paid_twice += any(count > 1 for count in ended.runs.values())
    tally.left_billing += not ended.released
    if ended != undisturbed:
        for name in ("verdicts", "archive", "runs", "released"):
            one, other = getattr(undisturbed, name), getattr(ended, name)
            if one != other:
                tally.different.append(name)
                print(f"  {name}: {one}\n   is now {other}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not SSHD.exists():
        sys.exit(f"{SSHD} is not there: install OpenSSH's server")
    with fresh_box() as box:
        started = time.monotonic()
        done = box.run()
        if done.returncode != 0:
            sys.exit(f"the undisturbed chain ended with exit code {done.returncode}\n{done.stderr}")
        undisturbed = outcome(box)
    print(
        f"undisturbed: {time.monotonic() - started:.0f} s, {len(undisturbed.archive)} files in the archive", flush=True
    )
    choice, tally = random.Random(arguments.seed), Tally()
    while tally.kills < arguments.kills and tally.stuck < 3:
        print(f"chain {len(tally.chains) + 1}, after {tally.kills} kills", flush=True)
        one_chain(choice, arguments.kills - tally.kills, tally, undisturbed)
        if arguments.json:
            save(arguments.json, figures(arguments.seed, tally))
    for name, value in figures(arguments.seed, tally).items():
        print(f"{name:22}{value}")


def figures(seed: int, tally: Tally) -> dict[str, Any]:
    return {
        "seed": seed,
        "kills": tally.kills,
        "victims": dict(tally.victims.most_common()),
        "chains": len(tally.chains),
        "longest_chain_kills": max(tally.chains),
        "different": sorted(set(tally.different)),
        "paid_twice": tally.paid_twice,
        "left_billing": tally.left_billing,
        "stuck": tally.stuck,
    }


if __name__ == "__main__":
    main()
