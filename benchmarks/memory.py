"""Predicted against measured: the peak memory of published training runs, and whether they ran out of it.

    python benchmarks/memory.py [--truths CSV] [--json FILE] [--only ID,ID] [--every N] [--without-peers] [--scripts]

A truth is what the driver counted as used on top of the CUDA context, so a prediction is the allocator's replay of the
traced step on that card. A run that ended out of memory is no measurement of a peak, and counts for the verdict only.
Each model is traced in a process of its own, of which seconds and RAM are measured. Beside it: torch's MemTracker, the
rule of four times the parameters (preflight-ml), and `accelerate estimate-memory`.

torchvision, whose models the truths are of, is installed beside this project's environment where it is missing.

With --scripts the loops are a plain script (memory_scripts.py), and the pass of `gonogo check` over it is scored.
"""

from __future__ import annotations

import argparse
import bisect
import csv
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.figures import save  # noqa: E402
from gonogo.config.gate_thresholds import MemoryGate  # noqa: E402
from gonogo.memory.allocator import replay  # noqa: E402
from gonogo.memory.builders import torchvision_for  # noqa: E402
from gonogo.memory.capacity import is_tight  # noqa: E402
from gonogo.memory.families import Family, family_of, farthest_bytes  # noqa: E402
from gonogo.memory.inserted import with_kept_workspaces  # noqa: E402
from gonogo.memory.overheads import WORKSPACES, is_matrix_product  # noqa: E402
from gonogo.memory.trace_result import Traced  # noqa: E402

# driver and libraries before the first tensor, with kernels loaded lazily (CUDA 11.7 and later)
CONTEXT_BYTES = 300_000_000
LIMIT_S = 300
LOOP = (  # all that the traced loop is made of
    "model", "library", "constructor_or_class", "num_classes", "batch_size", "input_shape", "seq_len", "optimizer",
    "dtype", "amp", "zero_grad_mode",
)  # fmt: skip
Known = dict[tuple[str, ...], tuple[str, float, float, Traced | None]]
PEERS = {"mem_tracker": "MemTracker", "four_times_parameters": "4 x parameters", "accelerate": "accelerate"}


def run_child(row: dict[str, str], folder: Path, *flags: str) -> tuple[str, float, float]:
    """Trace a row in a process of its own: (its error, seconds, peak RAM in GB)."""
    command = [sys.executable, str(ROOT / "benchmarks/memory_models.py"), *flags, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    started = time.monotonic()
    with (folder / "stderr").open("w+") as errors:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=errors, env=environment)
        assert child.stdin
        child.stdin.write(json.dumps(row).encode())
        child.stdin.close()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        last = (errors.read().strip().splitlines() or [""])[-1]
    seconds = time.monotonic() - started
    return last if child.returncode else "", seconds, usage.ru_maxrss * 1024 / 1e9


def run_script(row: dict[str, str], folder: Path) -> tuple[str, float, float]:
    """The pass over the plain script of a row, as `run_child` says it; its RAM is not measured."""
    from gonogo.script.card.facts import CardFacts
    from gonogo.script.passes import run_pass
    from gonogo.script.request import PassRequest, ScriptCommand

    (folder / "row.json").write_text(json.dumps(row))
    (folder / "scratch").mkdir()
    path, arguments = str(ROOT / "benchmarks/memory_scripts.py"), [str(folder / "row.json")]
    request = PassRequest(
        kind="card", command=ScriptCommand(words=[path, *arguments], path=path, arguments=arguments), folder=ROOT,
        scratch=folder / "scratch", steps=2, limit_s=LIMIT_S, only_steps=True,
    )  # fmt: skip
    started = time.monotonic()
    passed = run_pass(request, folder, lambda line: None)
    facts, seconds = passed.facts(CardFacts), time.monotonic() - started
    if facts.error is not None:
        return f"{facts.error.name}: {facts.error.message}", seconds, 0.0
    last = " ".join(passed.last_lines[-1:]) if facts.ending == "killed" else ""
    if facts.ending == "out_of_memory" and not facts.steps:
        return "its weights are built for real, and need more memory than this machine had free", seconds, 0.0
    short = f"{facts.ending} after {facts.steps} steps {facts.untraceable} {last}".strip()
    return "" if facts.steps >= 2 else short, seconds, 0.0


def with_torchvision() -> None:
    """Let every child find torchvision: the installed one, else one of torch's release, fetched once without the rest.

    Its compiled operators are not loaded (`allow_torchvision`), so that of any platform does.
    """
    if importlib.util.find_spec("torchvision") is not None:
        return
    wanted = torchvision_for(version("torch"))
    folder = Path(tempfile.gettempdir()) / f"gonogo-torchvision-{wanted.rstrip('.*')}-{os.getuid()}"
    if not (folder / "torchvision").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        done = subprocess.run([*command, f"torchvision=={wanted}"], capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            sys.exit(f"torchvision {wanted} cannot be installed ({last}): install it, and run this again")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(folder)]))
    sys.path.append(str(folder))


def predict(row: dict[str, str], with_peers: bool, scripts: bool = False, known: Known | None = None) -> dict[str, Any]:
    """What the tools say of a row, and what it cost.

    Args:
        known: what the loops so far left; a row that repeats one of them is not traced again.
    """
    known = {} if known is None else known
    loop = tuple(row[name] for name in LOOP)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if loop not in known:
            error, seconds, rss = (run_script if scripts else run_child)(row, folder)
            known[loop] = error, seconds, rss, None if error else Traced.load(folder)
        error, seconds, rss, traced = known[loop]
        found: dict[str, Any] = {
            "id": row["id"], "model": row["model"], "optimizer": row["optimizer"], "batch_size": row["batch_size"],
            "measured_bytes": int(row["measured_peak_bytes"]), "oom": row["oom"] == "true",
            "seconds": seconds, "rss_gb": rss, "error": error or (traced.error if traced else ""),
            "guesses": traced.guesses if traced else [], "predicted_bytes": None, "predicted_oom": None,
        }  # fmt: skip
        if traced is not None and traced.events is not None:
            found |= judged(traced, int(row["gpu_total_bytes"]), "P2024" in row["protocol"])
        if with_peers:
            failed, _, _ = run_child(row, folder, "--peers")
            found |= {} if failed else json.loads((folder / "peers.json").read_text())
    return found


def judged(traced: Traced, total_bytes: int, no_cublas_workspace: bool) -> dict[str, Any]:
    """The replay at the card's capacity; for a run that fits, its peak is the prediction."""
    assert traced.events is not None
    kept = [] if no_cublas_workspace else [item for item in WORKSPACES["ampere"] if item.kind == "kept"]
    needed = any(is_matrix_product(op) for op in traced.events.ops)
    events = with_kept_workspaces(traced.events, kept if needed else [])
    held = replay(events, total_bytes - CONTEXT_BYTES)
    peak = replay(events).peak_reserved_bytes if held.oom_at else held.peak_reserved_bytes
    oom, live_bytes = held.oom_at is not None, int(events.live_bytes().max())
    family = family_of(traced.events.ops)
    return {"predicted_bytes": peak, "predicted_oom": oom, "live_bytes": live_bytes, "family": family,
            "go_from_bytes": go_from_bytes(peak + CONTEXT_BYTES, family)}  # fmt: skip


def go_from_bytes(needed_bytes: int, family: Family) -> int:
    """The smallest card on which the gate says GO to it, and not CAUTION: what lies between is room for its error."""
    gate = MemoryGate()

    def roomy(card_bytes: int) -> bool:
        return not is_tight(needed_bytes, card_bytes, gate) and farthest_bytes(family, needed_bytes) <= card_bytes

    return bisect.bisect_left(range(4 * (needed_bytes + 10**9)), True, lo=needed_bytes, key=roomy)


def error_pct(predicted: float, measured: float) -> float:
    return 100 * (predicted / measured - 1)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The benchmark's figures. Errors are of runs that were measured to their end."""
    known = [row for row in rows if row["predicted_bytes"] is not None]
    errors = [abs(error_pct(row["predicted_bytes"], row["measured_bytes"])) for row in known if not row["oom"]]
    # of what is measured, about the prediction: what a planner asks
    signed = [error_pct(row["measured_bytes"], row["predicted_bytes"]) for row in known if not row["oom"]]
    twentieths = statistics.quantiles(signed, n=20, method="inclusive") if len(signed) > 1 else []
    right = [row["predicted_oom"] == row["oom"] for row in known]
    # where the gate would say GO on a card that the measured peak would have filled
    beyond = [
        abs(error_pct(row["predicted_bytes"], row["measured_bytes"]))
        for row in known
        if not row["oom"] and not row["guesses"] and row["measured_bytes"] + CONTEXT_BYTES > row["go_from_bytes"]
    ]
    return {
        "median_abs_error_pct": statistics.median(errors) if errors else None,
        "mean_abs_error_pct": statistics.fmean(errors) if errors else None,
        "worst_error_pct": max(errors, default=None),
        "wrong_go": len(beyond),
        "worst_error_without_caution_pct": max(beyond, default=0.0),
        "measured_19_in_20_above_pct": twentieths[0] if twentieths else None,
        "measured_19_in_20_below_pct": twentieths[-1] if twentieths else None,
        "oom_verdict_accuracy": sum(right) / len(rows) if rows else None,
        "max_seconds": max((row["seconds"] for row in rows), default=None),
        "max_rss_gb": max((row["rss_gb"] for row in rows), default=None),
        "rows": len(rows),
        "unknown_rows": len(rows) - len(known),
        "peers": {name: peer_summary(rows, name) for name in PEERS if any(name in row for row in rows)},
    }


def peer_summary(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    errors = [abs(error_pct(row[name], row["measured_bytes"])) for row in rows if name in row and not row["oom"]]
    return {
        "median_abs_error_pct": statistics.median(errors),
        "mean_abs_error_pct": statistics.fmean(errors),
        "worst_error_pct": max(errors),
        "rows": len(errors),
    }


def line(row: dict[str, Any]) -> str:
    head = f"{row['id']:6s} {row['model'][:24]:24s} {row['optimizer']:9s} {row['batch_size']:>4s}"
    if row["predicted_bytes"] is None:
        return f"{head}  UNKNOWN: {row['error']}"
    off = "        " if row["oom"] else f"{error_pct(row['predicted_bytes'], row['measured_bytes']):+7.1f}%"
    verdict = f"{'OOM' if row['oom'] else 'fits'}/{'OOM' if row['predicted_oom'] else 'fits'}"
    wrong = " WRONG" if row["oom"] != row["predicted_oom"] else ""
    others = " ".join(f"{row[name] / 1e9:7.2f}" if name in row else "      -" for name in PEERS)
    return (
        f"{head} {row['measured_bytes'] / 1e9:7.2f} {row['predicted_bytes'] / 1e9:7.2f} {off} {verdict:9s}{wrong:6s} "
        f"{others} {row['seconds']:5.1f} s {row['rss_gb']:4.2f} GB {'CAUTION' if row['guesses'] else ''}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--truths", type=Path, default=ROOT / "benchmarks/memory_truths.csv", metavar="CSV")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--only", default="", metavar="ID,ID", help="only these rows")
    parser.add_argument("--without-peers", action="store_true", help="only this project's estimate")
    parser.add_argument("--scripts", action="store_true", help="the pass over a plain script, in place of the trace")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth row")
    arguments = parser.parse_args()
    with_torchvision()
    only = set(filter(None, arguments.only.split(",")))
    with arguments.truths.open(newline="") as file:
        truths = [row for row in csv.DictReader(file) if not only or row["id"] in only][:: arguments.every]
    print("GB: measured, predicted, error, ran/predicted, " + ", ".join(PEERS.values()) + "; the trace's cost")
    rows: list[dict[str, Any]] = []
    known: Known = {}
    for row in truths:
        peers = not (arguments.without_peers or arguments.scripts)
        rows.append(predict(row, peers, arguments.scripts, known if arguments.scripts else None))
        print(line(rows[-1]), flush=True)
    found = summary(rows)
    for key, value in found.items():
        print(f"{key:32s} {value:.3f}" if isinstance(value, float) else f"{key:32s} {value}")
    if arguments.json:
        save(arguments.json, {**found, "cases": rows})


if __name__ == "__main__":
    main()
