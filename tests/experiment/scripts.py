"""A training script in plain Python, with faults to choose from, and the experiment around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.experiment.command import CommandExperiment
from gonogo.training.spec import RunSpec

SCRIPT = """
import json, sys, time
from pathlib import Path
task, fault, out, *rest = sys.argv[1:]
out = Path(out)
if fault == "fails":
    print("reading"), print("KeyError: 'colour'", file=sys.stderr), sys.exit(3)
if fault == "killed":
    import os, signal
    os.kill(os.getpid(), signal.SIGSEGV)
if task == "generate":
    wanted = rest[0].split(",")
    for index in {"nothing": [], "fewer": wanted[1:]}.get(fault, wanted):
        (out / f"item_{index}.txt").write_text(f"item {index} of seed {rest[1]}")
if task == "train":
    steps, first = int(rest[0]), 1
    (out / "words.json").write_text(json.dumps(rest))
    if "--from" in rest:
        first = 1 + int(Path(rest[-1]).read_text())
    rows = ["step,train_loss,val_loss" if fault != "columns" else "iteration,loss"]
    for step in range(first, first + steps):
        odd = {"nan": "nan" if step == 5 else "1.0", "words": "low", "flat": f"{1 + 0.1 * (-1) ** step}"}
        loss = odd.get(fault, f"{10 / (step + 1)}")
        rows.append(f"{step},{loss},{loss if step % 10 == 0 else ''}")
        print("at", step)
    if fault != "silent":
        (out / "metrics.csv").write_text("\\n".join(rows) + "\\n")
    if fault == "nan":
        time.sleep(600)
    if fault != "no_checkpoint":
        (out / "checkpoints").mkdir(exist_ok=True)
        (out / "checkpoints" / ("epoch_3.ckpt" if fault == "odd_name" else "last.ckpt")).write_text(str(step))
if task == "predict":
    found = {"skill": 0.5, "error": 2}
    found = {"no_skill": {"error": 2}, "text": {"skill": "good"}}.get(fault, found)
    (out / "item_0.txt").write_text("predicted")
    if fault != "no_metrics":
        (out / "metrics.json").write_text(json.dumps(found))
"""


def command(fault: str = "ok") -> dict[str, Any]:
    return {
        "generate": f"python my/script.py generate {fault} {{out}} {{indices}} {{seed}}",
        "train": f"python my/script.py train {fault} {{out}} {{max_steps}} {{data}} --lr={{learning_rate}}",
        "resume": "--from {checkpoint}",
        "predict": f"python my/script.py predict {fault} {{out}} {{checkpoint}} {{data}}",
    }


def config(fault: str = "ok", **changes: Any) -> ExperimentConfig:
    return ExperimentConfig.model_validate(
        {"command": command(fault), "kind": "text", "code": ["my"], "dataset_items": 20, **changes}
    )


def experiment(root: Path, fault: str = "ok", **changes: Any) -> CommandExperiment:
    (root / "my").mkdir(exist_ok=True)
    (root / "my/script.py").write_text(SCRIPT)
    return CommandExperiment("mine", config(fault, **changes), root)


def spec(root: Path, fault: str = "ok", **changes: Any) -> RunSpec:
    known = {"max_steps": 30, "data": [root / "a shard", root / "another"], "training": Training(learning_rate=0.5)}
    return RunSpec(experiment="mine", experiment_config=config(fault), seed=1, **{**known, **changes})
