"""Faults put into healthy training scripts: is each named, and does no healthy script get a NO-GO?

    python -m benchmarks.script_faults [--only TEXT] [--json FILE] [--limit SECONDS]

One process at a time, on the processor, forked when torch and the trainers' packages were imported, so that seconds are
those of the pass. The scripts and faults are those of tests/script/processor.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import save
from gonogo.script import child
from gonogo.script.processor.facts import ProcessorFacts
from gonogo.script.processor.judge import judge
from gonogo.script.request import PassRequest, ScriptCommand
from gonogo.verdict import Check, Status
from tests.script.processor.faults import FAULTS, HEALTHY, SCRIPTS, Fault

IMPORTED = (
    "torch", "torch._dynamo", "lightning", "pytorch_lightning", "transformers", "accelerate",
    "gonogo.script.processor.processor_pass",
)  # fmt: skip


def checked(text: str, limit_s: float) -> tuple[list[Check], str, float]:
    """Checks of a script, gravest first, the cause, and seconds."""
    with tempfile.TemporaryDirectory() as temporary:
        script, out = Path(temporary) / "work" / "train.py", Path(temporary) / "pass"
        script.parent.mkdir()
        out.mkdir()
        script.write_text(text)
        command = ScriptCommand(words=["train.py"], path="train.py")
        request = PassRequest(
            kind="processor", command=command, folder=script.parent, scratch=out, steps=12, limit_s=limit_s
        )  # fmt: skip
        (out / "request.json").write_text(request.model_dump_json())
        started = time.monotonic()
        process = multiprocessing.get_context("fork").Process(target=_run, args=(out,))
        process.start()
        process.join()
        seconds = time.monotonic() - started
        facts = ProcessorFacts.model_validate_json((out / "facts.json").read_text())
    parts = judge(facts)
    checks = [*parts.data, *parts.wiring, *parts.learning]
    return sorted(checks, key=lambda check: -check.status.severity), parts.cause, seconds


def _run(out: Path) -> None:
    """The pass, in a fork that need not import its libraries again."""
    sys.argv = ["child", str(out)]
    with (out / "said.txt").open("w") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        child.main()


def named(fault: Fault, checks: list[Check]) -> Check | None:
    """The first of the gravest checks, or for what may be meant any warning, if it says what was done to the script."""
    bad = [check for check in checks if check.status in {Status.NO_GO, Status.CAUTION}]
    if not fault.cautions:
        bad = [check for check in bad if check.status is Status.NO_GO][:1]
    fits = (check for check in bad if check.id in fault.checks and fault.words in f"{check.why} {check.hint}")
    return next(fits, None)


def shown(right: bool, seconds: float, text: str) -> None:
    print(f"{'ok ' if right else 'BAD'} {seconds:5.1f} s  {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="faults and scripts whose name contains this")
    parser.add_argument("--limit", type=float, default=40, help="seconds of a pass")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    for package in IMPORTED:
        importlib.import_module(package)
    healthy, faults = [], []
    for name in HEALTHY:
        if arguments.only not in f"healthy {name}":
            continue
        checks, cause, seconds = checked((SCRIPTS / f"{name}.py").read_text(), arguments.limit)
        stopped = [check for check in checks if not check.status.passes]
        warned = [check.id for check in checks if check.status is Status.CAUTION]
        healthy.append(
            {"script": name, "stopped": [f"{c.id}: {c.why}" for c in stopped], "warned": warned,
             "cause": cause, "seconds": round(seconds, 1)}
        )  # fmt: skip
        shown(not stopped, seconds, f"healthy {name}: {healthy[-1]['stopped']} {warned}")
    for fault in FAULTS:
        if arguments.only not in f"{fault.kind} in {fault.script}":
            continue
        checks, cause, seconds = checked(fault.text(), arguments.limit)
        right, first = named(fault, checks), checks[0] if checks else None
        row: dict[str, Any] = {
            "kind": fault.kind, "script": fault.script, "named": right is not None, "check": right.id if right else "",
            "said": f"{first.status.value} {first.id}: {first.why}" if first else "", "cause": cause,
            "seconds": round(seconds, 1),
        }  # fmt: skip
        faults.append(row)
        shown(row["named"], seconds, f"{fault.kind} in {fault.script}: {row['said']}")
    kinds = {row["kind"] for row in faults}
    figures = {
        "healthy": healthy, "faults": faults, "kinds": len(kinds), "named": sum(row["named"] for row in faults),
        "false_findings": sum(bool(row["stopped"]) for row in healthy),
    }  # fmt: skip
    print(f"named {figures['named']} of {len(faults)}, {len(kinds)} kinds")
    print(f"healthy scripts stopped: {figures['false_findings']} of {len(healthy)}")
    if arguments.json:
        save(arguments.json, figures)


if __name__ == "__main__":
    main()
