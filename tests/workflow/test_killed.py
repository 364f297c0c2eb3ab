"""Snakemake killed -9 in every stage, one after another: nothing is launched, sent or paid for twice."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from gonogo.agent import processes
from gonogo.runtime import ledger
from tests.faults.servers import SSHD, OpenSsh
from tests.waiting import LIMIT_S, wait_for
from tests.workflow.test_own_machine import Box, made, server_folder

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SSHD.exists(), reason="OpenSSH's server is not installed")]
# Numbers are learned in plain Python: what is killed here is the chain, not the training.
SCRIPT = """
import json, os, random, sys, time
from pathlib import Path
task, out, *rest = sys.argv[1:]
out = Path(out)
if task == "generate":
    for index in rest[0].split(","):
        words = random.Random(int(index)).sample("abcdefghijklmnopqrstuvwxyz", 24)
        (out / f"item_{index}.txt").write_text(" ".join(f"{word}{index}" for word in words) + ".\\n")
if task == "train":
    last, first = int(rest[0]) or 40, 1
    if "--from" in rest:
        first = 1 + int(Path(rest[-1]).read_text())
    (out / "checkpoints").mkdir(parents=True, exist_ok=True)
    with (out / "metrics.csv").open("w", buffering=1) as rows:
        print("step,train_loss,val_loss,seconds", file=rows)
        for step in range(first, last + 1):
            time.sleep(0.1)
            print(f"{step},{10 / (step + 1)},{10 / (step + 1)},{time.monotonic()}", file=rows)
            (out / "checkpoints/last.ckpt").write_text(str(step))
if task == "predict":
    (out / "item_0.txt").write_text("predicted\\n")
    (out / "metrics.json").write_text(json.dumps({"skill": 0.5}))
"""
MEMORY = """
import torch
def step(micro_batch_size):
    model = torch.nn.Linear(4, 4)
    batch = torch.zeros(micro_batch_size, 4)
    return model, torch.optim.SGD(model.parameters()), lambda batch: model(batch).square().mean(), batch
"""
WALK = {
    "command": {
        "generate": "python walk/script.py generate {out} {indices}",
        "train": "python walk/script.py train {out} {max_steps} {data}",
        "resume": "--from {checkpoint}",
        "predict": "python walk/script.py predict {out} {checkpoint} {data}",
    },
    "kind": "text",
    "memory": "walk.memory:step",
    "code": ["walk"],
    "hypothesis": "What is killed goes on.",
    "expected": {"statement": "It ends.", "metrics": {"skill": 0.1}},
    "sample_items": 30,
    "dataset_items": 30,
    "shards": 1,
    "smoke": {"steps": 15},
    "modes": {"mine": {"training": {"epochs": 2}}},
    "gates": {"canary": {"steps": 5, "max_slowdown": 50}},
}
STAGES = [
    "prepare", "sample", "measure_quality_sample", "dataset", "smoke_train", "trace_memory", "measure_launch", "upload",
    "setup", "canary", "cloud_train", "download", "validate", "report",
]  # fmt: skip


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """Its machine takes a moment to go."""
    for box in made(
        tmp_path, monkeypatch, OpenSsh(server_folder(tmp_path)), tmp_path / "there", str(tmp_path / "there")
    ):
        config = box.site.folder / "config"
        (config / "experiments/walk.yaml").write_text(yaml.safe_dump(WALK))
        target = yaml.safe_load((config / "targets/box.yaml").read_text())
        target["release"]["command"] = f"touch {tmp_path}/going; sleep 1; rm {box.machine}"
        (config / "targets/box.yaml").write_text(yaml.safe_dump(target))
        (box.site.folder / "walk").mkdir()
        (box.site.folder / "walk/script.py").write_text(SCRIPT)
        (box.site.folder / "walk/memory.py").write_text(MEMORY)
        yield box


def test_killed_in_every_stage_it_goes_on_and_does_nothing_twice(box: Box) -> None:
    folder, arguments = box.site.folder, ("--config", "experiments=walk", "mode=mine", "target=box")
    results, said = folder / "results/walk/mine", folder / "snakemake.txt"
    log = results / "cloud_train/log.txt"
    begun: dict[str, Callable[[], bool]] = {
        stage: lambda stage=stage: stage in [row.stage for row in rows(box)[seen:]]  # type: ignore[misc]
        for stage in STAGES
    }
    begun["cloud_train"] = lambda: log.exists() and "step" in log.read_text()
    begun["release"] = (box.machine.parent / "going").exists
    seen = 0
    for number, (stage, has_begun) in enumerate(begun.items()):
        running = box.site.start(*arguments)
        wait_for(lambda: has_begun() or running.poll() is not None, 300, stage)  # noqa: B023
        assert running.poll() is None, said.read_text()
        os.killpg(running.pid, signal.SIGKILL) if number % 2 == 0 else running.kill()
        running.wait(timeout=LIMIT_S)
        seen = len(rows(box))
        if stage == "cloud_train":
            (run,) = box.root.glob("walk/runs/*_mine_*")
            beat = json.loads((run / "heartbeat.json").read_text())
            assert processes.lives(beat), "the paid run should go on without us"
        if stage == "download":
            assert f"attached to {run.name}" in said.read_text()
    assert box.machine.exists(), "killed before it was gone"
    done = box.site.run(*arguments)
    assert done.returncode == 0, done.stderr
    assert not box.machine.exists() and "127.0.0.1 is released after" in done.stderr
    # one canary and one run, each in one attempt; what costs time or money was done once
    runs = {path.name.split("_")[1]: path for path in box.root.glob("walk/runs/*")}
    assert sorted(runs) == ["canary", "mine"] and len(list(box.root.glob("walk/runs/*"))) == 2
    for path in runs.values():
        attempts = json.loads((path / "exit.json").read_text())["attempts"]
        assert [attempt["cause"] for attempt in attempts] == ["finished"]
    ended = Counter(row.stage for row in rows(box) if row.outcome == "done")
    assert all(ended[stage] == 1 for stage in ("smoke_train", "upload", "canary", "cloud_train", "download")), ended
    # its log is whole, and no line came twice
    steps = [int(line.split()[2].partition("/")[0]) for line in log.read_text().splitlines() if " step " in line]
    assert steps == sorted(set(steps)) and steps[0] < 10 and steps[-1] == 40
    (archive,) = (folder / "archive/walk").glob("[!.]*")
    assert archive.name.endswith(run.name) and not list(archive.rglob(".*"))
    assert (archive / "out/checkpoints/last.ckpt").read_text() == "40"
    assert (results / "report/report.html").exists()


def rows(box: Box) -> list[ledger.Row]:
    return ledger.rows(box.site.folder / "results/ledger.sqlite", experiment="walk", running=True)
