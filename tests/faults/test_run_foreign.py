"""A script that knows nothing of gonogo, killed and out of memory on the machine, goes on from its own checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.remote.follow import follow
from gonogo.remote.machine import connect
from gonogo.training.spec import RunSpec, TrainingResult
from tests.conftest import ROOT
from tests.faults.servers import Site
from tests.faults.test_run_link import beside  # noqa: F401  (a fixture)

# Writes a checkpoint every fifth step, as torch.save lays it out. It is struck three times, each time once.
SCRIPT = """
import os, sys, time, zipfile
from pathlib import Path
out, batch, begin = Path(sys.argv[1]), int(sys.argv[2]), 0
if "--from" in sys.argv:
    with zipfile.ZipFile(sys.argv[-1]) as saved:
        begin = int(saved.read("last/data.pkl"))
print(f"begins at {begin} with batches of {batch}")
def once(name):
    try:
        (out / name).touch(exist_ok=False)
        return True
    except FileExistsError:
        return False
with (out / "metrics.csv").open("w", buffering=1) as log:
    print("step,train_loss", file=log)
    for step in range(begin + 1, 31):
        time.sleep(0.05)  # so that its lines are passed on before it is killed
        if step == 8 and once("killed"):
            os.kill(os.getpid(), 9)
        if step == 13:
            (out / "checkpoints/torn.ckpt").write_bytes((out / "checkpoints/last.ckpt").read_bytes()[:-9])
        if step == 14 and once("parent_killed"):
            os.kill(os.getppid(), 9)
        if step == 23 and batch > 2:
            sys.exit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
        print(f"{step},{1 / step}", file=log)
        if step % 5 == 0:
            with zipfile.ZipFile(out / "checkpoints/new", "w") as saved:
                saved.writestr("last/data.pkl", str(step))
            os.replace(out / "checkpoints/new", out / "checkpoints/last.ckpt")
"""
COMMAND = {
    "generate": "true {out} {indices}",
    "train": "python my/script.py {out} {micro_batch_size} {data}",
    "resume": "--from {checkpoint}",
    "predict": "true {checkpoint} {out} {data}",
}


def test_killed_twice_and_out_of_memory_it_goes_on_from_its_last_checkpoint(
    beside: Site,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, config = beside.root / "work/code", {"command": COMMAND, "kind": "text", "code": ["my"], "dataset_items": 8}
    (code / "my").mkdir(parents=True)
    (code / "my/script.py").write_text(SCRIPT)
    experiment, training = ExperimentConfig.model_validate(config), Training(micro_batch_size=8)
    run = RunSpec(experiment="mine", experiment_config=experiment, training=training, data=[Path("../data")], seed=0)
    (code / "run.json").write_text(run.model_dump_json(by_alias=True))
    smaller = [{"training": {"micro_batch_size": 8 // 2**n, "accumulate_grad_batches": 2**n}} for n in (1, 2)]
    with connect(beside.ssh, beside.target) as machine:
        machine.install_agent()
        machine.launch(
            "work/runs/one",
            arguments=["-m", "gonogo.stages.train", "run.json", "../runs/one/out"],
            key="k",
            workspace="work",
            cwd="work/code",
            environment={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            progress=r"^step \d",
            checkpoints="out/checkpoints",
            resume=["--resume", "{checkpoint}"],
            override=["--changes", "{overrides}"],
            ladder=smaller,
        )
    lines: list[str] = []
    ended = follow(
        lambda: beside.ssh,
        beside.target,
        "work/runs/one",
        lambda line: lines.append(line.partition(" ")[2]),
        lambda beat: None,
    )
    causes = [attempt.cause for attempt in ended.attempts]
    assert causes == ["killed", "killed", "oom", "oom", "finished"], lines
    assert [line for line in lines if line.startswith("begins")] == [
        "begins at 0 with batches of 8",
        "begins at 5 with batches of 8",
        "begins at 10 with batches of 8",
        "begins at 20 with batches of 4",
        "begins at 20 with batches of 2",
    ]
    assert "[agent] torn.ckpt is incomplete and is skipped" in lines
    out = beside.root / "work/runs/one/out"
    assert TrainingResult.model_validate_json((out / "training.json").read_text()).steps == 30
    assert (out / "metrics.csv").read_text().splitlines()[1].startswith("21,")
    assert len(list(out.glob("metrics_*.csv"))) == 4, "those of the attempts before"
    assert json.loads((out.parent / "exit.json").read_text())["code"] == 0
