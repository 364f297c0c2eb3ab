"""Plans that were computed by hand, against the estimate: `python -m benchmarks.documented_plans`.

For three systems: what their plan documents said a step needs on their GPU, and what it needs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.figures import save
from gonogo.base.errors import UserError
from gonogo.base.units import gigabytes
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.config.load import load_accelerator
from gonogo.experiment.plan_option import PlanOption
from gonogo.memory.choice import weigh
from gonogo.memory.estimate import MemoryEstimate, estimate
from gonogo.memory.plan import WORDS, plan_from
from gonogo.memory.plan_search import Candidate, Estimator, Options, explore
from gonogo.report.memory_plan import memory_plan


@dataclass(frozen=True)
class System:
    """One system's plan document.

    Attributes:
        builder: name of the function of `benchmarks.documented_steps` that makes its step.
        rows: (what varies, training keys, options, what the document says; "" where it says nothing).
    """

    name: str
    title: str
    card: str
    builder: str
    rows: tuple[tuple[str, dict[str, Any], dict[str, Any], str], ...]
    options: tuple[PlanOption, ...] = ()
    asked: tuple[dict[str, Any], dict[str, Any]] = field(default_factory=lambda: ({}, {}))


_VQGAN_SAID = {(64, 4): "15 to 16 GB", (64, 8): "25 to 30 GB"}
CHECKPOINTED = {"checkpointing": True}
SYSTEMS = (
    System(
        "cvs", "View synthesis, U-Net of 54.27M, 256 × 256, 32 bits", "mi300x", "cvs_step",
        tuple(
            (f"batch {size}", {"micro_batch_size": size}, {}, said)
            for size, said in ((32, "97 GB, safe"), (48, "145 GB, safe"), (64, "193 GB, risky"))
        ),
        asked=({"micro_batch_size": 64}, {}),
    ),
    System(
        "vqgan", "3-D VQ-GAN, patches of 256 × 256 × 128, 32 bits", "h200", "vqgan_step",
        tuple(
            (f"hidden {hidden}, batch {size}", {"micro_batch_size": size}, {"hidden": hidden},
             _VQGAN_SAID.get((hidden, size), ""))
            for hidden in (16, 32, 64)
            for size in (1, 4, 8)
        ),
        asked=({"micro_batch_size": 4}, {"hidden": 64}),
    ),
    System(
        "qwen", "Qwen3-8B, LoRA of rank 32, bf16, gradient checkpointing", "rtx_5070_ti", "qwen_step",
        tuple(
            (f"{size} × {length} tokens", {"micro_batch_size": size}, {**CHECKPOINTED, "length": length}, said)
            for size, length, said in (
                (1, 16384, ""), (2, 16384, "fits 16 GB"), (4, 16384, ""),
                (1, 32768, ""), (2, 32768, ""), (4, 32768, "35 to 44 GB"),
            )
        ),
        options=(
            PlanOption(
                name="loss in chunks", settings={"chunked_loss": True}, slowdown=1.03, exact=True,
                slowdown_source="the logits once more: 1.2 GFLOP a token beside about 50",
            ),
            PlanOption(
                name="4-bit base", settings={"four_bit": True}, slowdown=1.3, exact=False,
                slowdown_source="assumed, not measured: weights are unpacked in every product",
            ),
            PlanOption(
                name="8192 tokens", settings={"length": 8192}, slowdown=0.5, exact=False,
                slowdown_source="half the tokens; longer texts are cut",
            ),
            PlanOption(
                name="rank 16", settings={"rank": 16}, slowdown=1.0, exact=False,
                slowdown_source="adapters are less than a hundredth of the arithmetic",
            ),
        ),
        asked=({"micro_batch_size": 2, "accumulate_grad_batches": 32}, {**CHECKPOINTED, "length": 16384}),
    ),
)  # fmt: skip


def traced_here(builder: str, card: Accelerator) -> Estimator:
    """Estimates of one of `documented`'s steps, traced in this process."""
    from benchmarks import documented_steps
    from gonogo.memory.devices import card_of
    from gonogo.memory.trace import trace_step

    make: Callable[[Training, Mapping[str, Any]], Any] = getattr(documented_steps, builder)

    known: dict[str, MemoryEstimate] = {}

    def run(training: Training, options: Options) -> MemoryEstimate:
        key = f"{training.model_dump_json()} {sorted(options.items())}"
        if key not in known:
            traced = trace_step(lambda: make(training, options), card=card_of(card.architecture))
            known[key] = estimate(traced, training, card)
        return known[key]

    return run


def rows(system: System, card: Accelerator, gate: MemoryGate) -> Iterator[dict[str, Any]]:
    """What the document said of each of the system's steps, and what the trace says, one by one as it is traced."""
    trace = traced_here(system.builder, card)
    capacity = card.visible_bytes or 1
    for label, keys, options, said in system.rows:
        training = _training(system, keys)
        found = trace(training, options)
        needed = found.needed_bytes
        candidate = Candidate(training=training, needed_bytes=needed, fits=found.fits, estimate=found)
        yield {
            "step": label,
            "document": said,
            "needed_bytes": needed,
            "share": None if needed is None else needed / capacity,
            "verdict": WORDS[weigh(candidate, card.visible_bytes, gate)],
            "error": found.error,
        }


def line(row: dict[str, Any]) -> str:
    size = "not known" if row["needed_bytes"] is None else gigabytes(row["needed_bytes"])
    share = "" if row["share"] is None else f"{100 * row['share']:.0f} %"
    return f"{row['step']:24s}{row['document'] or '–':>16s}{size:>12s}{share:>12s}  {row['verdict']} {row['error']}"


def document(system: System, card: Accelerator, gate: MemoryGate) -> str:
    """The whole batch plan of the setting that the document proposed."""
    trace = traced_here(system.builder, card)
    keys, fixed = system.asked

    def with_fixed(training: Training, options: Options) -> MemoryEstimate:
        return trace(training, {**fixed, **options})

    found = plan_from(explore(with_fixed, _training(system, keys), card, system.options), card, gate)
    return memory_plan(found, system.name, "documented", gate)


def _training(system: System, keys: Mapping[str, Any]) -> Training:
    precision = "bf16-true" if system.name == "qwen" else "32-true"
    return Training.model_validate({"precision": precision, **keys})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.documented_plans", description=__doc__)
    names = [system.name for system in SYSTEMS]
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(names)}; all where none is named")
    parser.add_argument("--plan", action="store_true", help="the whole batch plan of what the document proposed")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    try:
        if unknown := sorted(set(given.systems) - set(names)):
            raise UserError(f"no such system: {', '.join(unknown)}; there are {', '.join(names)}")
        for system in SYSTEMS:
            if system.name in (given.systems or names):
                card = load_accelerator(Path("config"), system.card)
                if given.plan:
                    print(document(system, card, MemoryGate()))
                    continue
                title = f"{system.title}, on {card.title} ({gigabytes(card.visible_bytes or 0)})"
                print(f"{title}\n{'':24s}{'document':>16s}{'estimate':>12s}{'of the GPU':>12s}  verdict", flush=True)
                found[system.name] = {"title": title, "rows": []}
                for row in rows(system, card, MemoryGate()):
                    found[system.name]["rows"].append(row)
                    print(line(row), flush=True)
                print()
        if given.json:
            save(given.json, {"systems": found})
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # torn down in the interpreter's order, fake tensors corrupt the heap (torch 2.13)
