"""Six public projects brought into the chain as a stranger would: `gonogo init`, a few lines, `snakemake`; and faults.

    python benchmarks/chain_projects.py FOLDER… [--only TEXT] [--json FILE]

FOLDER: one that holds checkouts by their names, as for benchmarks/scripts.py; the interpreter has their packages. Each
row is a copy of its own. The healthy one must pass every gate up to the launch, which is the last before anything is
uploaded; with a fault it must be stopped by then, with the right cause first.

Columns: project, fault, lines that a user wrote, gate that stopped it, cause, seconds.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import save
from projects import PROJECTS, Project
from scripts import checkout_of, copied

ROOT = Path(__file__).parent.parent
LIMIT_S = 1800
LAST = "results/{}/validate/launch/verdict.json"  # of the last gate before the upload
COMMIT = "git init -q && git add -A . && git -c user.name=x -c user.email=x@localhost commit -qm checkout"


def row_of(project: Project, fault: str, checkout: Path) -> dict[str, Any]:
    """One chain, in a copy of the checkout."""
    with tempfile.TemporaryDirectory(prefix="gonogo-project-") as temporary:
        copy = Path(temporary) / checkout.name
        copied(checkout, copy)
        (copy / ".git").rmdir()
        run(COMMIT, copy)
        project.make_data(copy)
        folder = copy / project.script.folder
        run(f"{sys.executable} -m gonogo init", folder, check=False)
        lines = write_config(project, folder)
        if fault:
            project.faults[fault].put(copy)
        started = time.monotonic()
        (name,) = (path.stem for path in (folder / "config/experiments").glob("*.yaml"))
        done = run(f"{sys.executable} -m snakemake --profile local {LAST.format(name)}", folder, check=False)
        seconds = time.monotonic() - started
        found = stopped_by(folder)
        row: dict[str, Any] = {
            "project": project.name,
            "fault": fault,
            "lines": lines,
            "seconds": round(seconds),
            **found,
        }
        row["uploaded"] = any(folder.glob("results/*/*/upload/run.json"))
        row["right"] = right(project, fault, row)
        if not row["right"]:
            row["said"] = done[-3000:]
        return row


def run(command: str, folder: Path, check: bool = True) -> str:
    """What it printed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, check=check, timeout=LIMIT_S,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout


def write_config(project: Project, folder: Path) -> int:
    """What a user edits in what `gonogo init` wrote; how many lines."""
    (config,) = (folder / "config/experiments").glob("*.yaml")
    before = config.read_text()
    after = before
    for old, new in project.edits:
        after, count = re.subn(old, lambda _, new=new: new, after, count=1, flags=re.MULTILINE)  # type: ignore[misc]
        assert count == 1, f"{project.name}: {old!r} is not in what gonogo init wrote:\n{before}"
    config.write_text(after)
    changed = difflib.ndiff(before.splitlines(), after.splitlines())
    return sum(line.startswith("+ ") for line in changed)


def stopped_by(folder: Path) -> dict[str, Any]:
    """The gates' statuses, and of the one that stopped the work its cause and first failed check."""
    gates: dict[str, str] = {}
    found: dict[str, Any] = {"gate": "", "cause": "", "check": "", "why": ""}
    files = sorted(folder.glob("results/*/**/verdict.json"), key=lambda path: path.stat().st_mtime)
    for path in files:
        verdict = json.loads(path.read_text())
        name = "/".join(filter(None, [verdict["gate"], verdict["scope"]]))
        gates[name] = verdict["status"]
        if verdict["status"] in ("NO_GO", "UNKNOWN") and not verdict["more"] and not found["gate"]:
            order = ("NO_GO", "UNKNOWN")
            worst = min(
                (check for check in verdict["checks"] if check["status"] in order),
                key=lambda check: order.index(check["status"]),
            )
            found = {
                "gate": name, "cause": verdict["cause"] or verdict["status"], "check": worst["id"], "why": worst["why"]
            }  # fmt: skip
    return {**found, "gates": gates}


def right(project: Project, fault: str, row: dict[str, Any]) -> bool:
    """Whether the healthy run reached the launch gate, or the fault was stopped with a cause that names it."""
    if row["uploaded"]:
        return False
    if not fault:
        return not row["gate"] and "launch" in row["gates"]
    expected = project.faults[fault]
    return row["cause"] == expected.cause and row["check"] in expected.checks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--only", default="", help="`project: fault` that contain this; `: healthy` for those without")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = []
    for project in PROJECTS:
        for fault in ("", *project.faults):
            if arguments.only not in f"{project.name}: {fault or 'healthy'}":
                continue
            checkout, why = checkout_of(project.script, arguments.folders)
            if checkout is None:
                rows.append({"project": project.name, "fault": fault, "absent": why})
            else:
                rows.append(row_of(project, fault, checkout))
            print(line(rows[-1]), flush=True)
            if arguments.json:  # after each: all of them take an hour
                save(arguments.json, {"rows": rows})


def line(row: dict[str, Any]) -> str:
    name = f"{row['project']}: {row['fault'] or 'healthy'}"
    if "absent" in row:
        return f"    {name:56s} {row['absent']}"
    gate = f"{row['gate']}: {row['cause']}, {row['check']}" if row["gate"] else ", ".join(row["gates"])
    return f"{'ok ' if row['right'] else 'BAD'} {name:56s} {row['lines']:2d} lines  {row['seconds']:5d} s  {gate}"


if __name__ == "__main__":
    main()
