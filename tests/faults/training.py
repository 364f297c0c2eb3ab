"""A training in small, which a fault strikes, and what is expected of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.remote.workspace import Workspace

RUN = "runs/one"
# A training in small: counts to 40, keeps a checkpoint at every tenth step, and goes on from one.
TRAINING = """
import json, os, sys, time, zipfile
out, start, plan = "out", 0, {}
os.makedirs(out, exist_ok=True)
for option, value in zip(sys.argv[2::2], sys.argv[3::2]):
    if option == "--resume":
        with zipfile.ZipFile(value) as saved:
            start = int(saved.read("last/data.pkl"))
    if option == "--training":
        plan = json.loads(value)
print("resumed at" if start else "begins at", start, "with", json.dumps(plan), flush=True)
for step in range(start + 1, 41):
    exec(sys.argv[1])
    print("step", step, flush=True)
    if step % 10 == 0:
        with zipfile.ZipFile(out + "/.new", "w") as saved:
            saved.writestr("last/data.pkl", str(step))
        os.replace(out + "/.new", f"{out}/step_{step:02d}.ckpt")
print("done", flush=True)
"""
RESUMABLE: dict[str, Any] = {
    "checkpoints": "out",
    "resume": ["--resume", "{checkpoint}"],
    "override": ["--training", "{overrides}"],
    "progress": "^step",
}
ONCE = "marker = 'out/struck'\nif step == 15 and not os.path.exists(marker):\n    open(marker, 'w').close()\n    "


def brisk(folder: Path) -> Workspace:
    """One whose agent looks four times a second: tests do not wait for the shipped one."""
    folder.mkdir(exist_ok=True)
    workspace = Workspace(folder)
    workspace.impatient(BEAT_S=0.25)
    return workspace


def launch(work: Workspace, each_step: str, **order: Any) -> Any:
    return work.launch([sys.executable, "-c", TRAINING, each_step], **{**RESUMABLE, **order})


def said(work: Workspace) -> list[str]:
    """The log without its steps."""
    return [line for line in work.log() if not line.startswith("step")]


def counts(work: Workspace) -> bool:
    """Whether every step was made, and none of those before the checkpoint twice."""
    steps = [int(line.split()[1]) for line in work.log() if line.startswith("step")]
    return sorted(set(steps)) == list(range(1, 41)) and len(steps) <= 40 + 10
