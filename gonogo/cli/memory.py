"""`gonogo memory`: peak memory of a training step on a GPU, without that GPU.

The step is traced in a separate process, without data and without the model's memory; the allocator is then replayed
for the GPU.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.units import gigabytes
from gonogo.cli import site
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.load import load_accelerator, validate
from gonogo.experiment.load import load_experiment
from gonogo.memory.check import verdict_of
from gonogo.memory.components import activations_by_module
from gonogo.memory.estimate import MemoryEstimate, estimate
from gonogo.memory.request import ModelSource, TraceRequest
from gonogo.memory.trace_process import LIMIT_BYTES, LIMIT_S, trace_in_child
from gonogo.memory.trace_result import Traced
from gonogo.verdict import Check

EXAMPLES = """examples:
  gonogo memory --experiment cvs --micro-batch-size 32 --precision bf16-mixed --accelerator mi300x
  gonogo memory --model timm:convnext_base --batch 64 --input 3x224x224 --optimizer AdamW
  gonogo memory --model transformers:Qwen3-8B/config.json --batch 2 --input 16384 --checkpointing
  gonogo memory --entry package.module:function

Exit code: 0 it fits (with or without caution), 1 it does not, 2 it is not known."""
TOP = 10  # classes of modules


def add_memory(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    parser.set_defaults(run=_run, on_error=2)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--experiment", metavar="NAME", help="name in config/experiments/")
    what.add_argument("--model", metavar="LIBRARY:NAME", help="timm:, torchvision:, transformers:CONFIG or a class")
    what.add_argument("--entry", metavar="MODULE:FUNCTION", help="returns (model, optimizer, step callable, batch)")
    parser.add_argument("--micro-batch-size", "--batch", type=int, metavar="N", help="samples per forward pass")
    parser.add_argument("--accumulate", type=int, metavar="N", help="forward passes per optimizer step")
    parser.add_argument("--precision", help="32-true, bf16-mixed, 16-mixed, bf16-true or 16-true")
    parser.add_argument("--clip", type=float, metavar="NORM", help="limit of the gradients' L2 norm; 0: no clipping")
    parser.add_argument("--input", default="3x224x224", metavar="CxHxW", help="one sample, or the length of a text")
    parser.add_argument("--classes", type=int, default=10, help="labels of --model, where the samples are images")
    parser.add_argument("--optimizer", default="AdamW", help="of torch.optim, or package.module:Name")
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing, where --model offers it")
    parser.add_argument("--accelerator", default="h100", metavar="NAME", help="name in config/accelerators.yaml")
    parser.add_argument("--root", type=Path, default=Path(), metavar="FOLDER", help="folder that holds config/")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="time limit of the trace, in seconds")
    parser.add_argument("--limit-gb", type=float, default=LIMIT_BYTES / 1e9, help="memory limit of the trace, in GB")
    parser.add_argument("--json", action="store_true", help="print JSON")
    site.add_for_ci(parser)
    parser.add_argument("--events", type=Path, metavar="FILE.npz", help="save the allocations and releases")


def _run(arguments: argparse.Namespace) -> int:
    accelerator = load_accelerator(arguments.root / "config", arguments.accelerator)
    request = _request(arguments, accelerator)
    traced = trace_in_child(request, arguments.limit_s, round(arguments.limit_gb * 1e9))
    training = request.training.model_copy(update={"micro_batch_size": traced.micro_batch_size})
    found = estimate(traced, training, accelerator)
    verdict = verdict_of(found, training, accelerator, arguments.experiment or arguments.model or arguments.entry)
    checks = verdict.checks
    file = arguments.root / f"{(arguments.entry or '').partition(':')[0].replace('.', '/')}.py"
    site.write_for_ci(arguments, verdict, file if file.is_file() else arguments.root)
    if arguments.events is not None and traced.events is not None:
        traced.events.save(arguments.events)
    if arguments.json:
        print(json.dumps(_facts(found, traced, checks), indent=1))
    else:
        print("\n".join(_lines(found, traced, checks, accelerator)))
    return verdict.status.exit_code


def _request(arguments: argparse.Namespace, accelerator: Accelerator) -> TraceRequest:
    given = {
        "micro_batch_size": arguments.micro_batch_size, "accumulate_grad_batches": arguments.accumulate,
        "precision": arguments.precision, "gradient_clip_val": arguments.clip,
    }  # fmt: skip
    changes = {key: value for key, value in given.items() if value is not None}
    common: dict[str, Any] = {"architecture": accelerator.architecture}
    if arguments.experiment:
        settings = site.settings(arguments.root, experiments=arguments.experiment)
        config = settings.experiments[arguments.experiment]
        load_experiment(arguments.experiment, config, arguments.root).check_packages()
        common |= {
            "experiment": arguments.experiment,
            "experiment_config": config,
        }
        base = settings.training(arguments.experiment).model_dump()
    else:
        base = {"micro_batch_size": 1, "gradient_clip_val": 0}
    training = validate(Training, {**base, **changes}, "command line")
    if arguments.model:
        common["model"] = ModelSource(
            name=arguments.model, shape=_shape(arguments.input), classes=arguments.classes,
            optimizer=arguments.optimizer, gradient_checkpointing=arguments.checkpointing,
        )  # fmt: skip
    return TraceRequest(**common, entry=arguments.entry or "", training=training)


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(size) for size in text.lower().split("x"))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise UserError(f"--input {text}: write sizes as in 3x224x224, or 2048 for a text of 2048 tokens")
    return shape


def _peak(traced: Traced) -> tuple[str, str]:
    """(phase, operation) at the peak of live bytes."""
    events = traced.events
    if events is None or not len(events):
        return "", ""
    row = int(events.live_bytes().argmax())
    return events.phases[events.phase[row]], events.ops[events.op[row]]


def _facts(found: MemoryEstimate, traced: Traced, checks: list[Check]) -> dict[str, Any]:
    phase, operation = _peak(traced)
    modules = activations_by_module(traced.events, traced.kinds) if traced.events is not None else {}
    return {
        "estimate": found.model_dump(mode="json"),
        "needed_bytes": found.needed_bytes,
        "peak_phase": phase,
        "peak_operation": operation,
        "activations_by_module_bytes": modules,
        "checks": [check.model_dump(mode="json") for check in checks],
    }


def _lines(found: MemoryEstimate, traced: Traced, checks: list[Check], accelerator: Accelerator) -> list[str]:
    lines = []
    if traced.events is not None:
        phase, operation = _peak(traced)
        modules = list(activations_by_module(traced.events, traced.kinds).items())[:TOP]
        needed = gigabytes(found.needed_bytes or 0)
        lines += [
            f"{accelerator.title}: micro-batch {traced.micro_batch_size}, {traced.precision}, "
            f"{found.parameters / 1e6:.2f}M parameters are trained",
            f"peak of live bytes in {phase}, at {operation}; needs {needed} (traced in {traced.seconds:.1f} s)",
            "",
            *(f"  {name:44s} {gigabytes(size):>10s}" for name, size in found.components_bytes.items()),
            *(f"  {item.name:44s} {gigabytes(item.bytes):>10s}" for item in found.additions if item.kind != "kept"),
            "",
            *(["  activations by module"] if modules else []),
            *(f"    {name:42s} {gigabytes(size):>10s}" for name, size in modules),
            "",
        ]
    for check in checks:
        lines.append(f"{check.status.value}: {check.title}" + (f": {check.why}" if check.why else ""))
        lines += [f"  {check.hint}"] if check.hint else []
    return lines
