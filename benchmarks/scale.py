"""What grows with the number of items, shards, workers and variants, and how.

    python -m benchmarks.scale [--items 1000 10000 100000] [--json benchmarks/scale.json]

`plan`: `snakemake -n` for 1,000 shards, and for a sweep of 100 variants. `merge`: 1,000 shards that were measured,
judged as one set. `workers`: two shards measured by one worker, then by two, each on a core of its own. `items`: that
many small pictures, measured and judged, with the peak of memory of each.

Seconds are of the processor, all processes of the work together, so that other work on the machine changes little;
`_wall_s` are of the clock. Each figure is of processes of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import save

ROOT = Path(__file__).parent.parent
SHARED = ("Snakefile", "workflow", "gonogo", "resources", "profiles", "requirements-train.lock")
SIDE, KIND, SHARDS, VARIANTS = 16, "images", 1000, 100
MERGED_ITEMS = 10  # of each shard that is merged
WORKER_ITEMS = 4000  # of each of the two shards
TURNS = 3


def make(folder: Path, items: int, first: int = 0) -> None:
    """Small pictures, a thousand in a folder, no two alike."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(first)
    for number in range(first, first + items):
        below = folder / f"{number // 1000:05d}"
        if number % 1000 == 0 or number == first:
            below.mkdir(parents=True, exist_ok=True)
        _, encoded = cv2.imencode(".png", rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))
        (below / f"{number:08d}.png").write_bytes(encoded.tobytes())


def measure(folder: str, out: str) -> None:
    from gonogo.quality.measure import measure_part

    measure_part(KIND, Path(folder), Path(out))


def judge(folder: str) -> None:
    from gonogo.config.quality_thresholds import QualityGate
    from gonogo.quality.judge import judge as judged
    from gonogo.quality.measured_set import MeasuredSet

    judged(MeasuredSet.read(*sorted(Path(folder).iterdir())), QualityGate())


def nothing() -> None:
    from gonogo.quality.judge import judge as judged
    from gonogo.quality.measure import measure_part

    assert judged and measure_part


WORK: dict[str, Callable[..., None]] = {"measure": measure, "judge": judge, "nothing": nothing}


def spent() -> float:
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def start(what: str, *arguments: Path, core: int | None = None) -> subprocess.Popen[str]:
    """A piece of work in a process of its own, on one core or on all."""
    pinned = ["taskset", "-c", str(core)] if core is not None else []
    words = [*pinned, sys.executable, "-m", "benchmarks.scale", "--work", what, *map(str, arguments)]
    return subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def figures_of(process: subprocess.Popen[str]) -> dict[str, float]:
    out, _ = process.communicate(timeout=7200)
    if process.returncode:
        raise SystemExit(f"exit code {process.returncode}")
    return dict(json.loads(out.splitlines()[-1]))


def plans(folder: Path) -> dict[str, float]:
    for name in SHARED:
        (folder / name).symlink_to(ROOT / name)
    for name in ("config", "experiments"):  # what is sent to a machine may not lie behind a link
        shutil.copytree(ROOT / name, folder / name)
    experiments = folder / "config/experiments"
    (experiments / "wide.yaml").write_text(f"extends: cvs\nshards: {SHARDS}\ndataset_items: {SHARDS}\n")
    rates = [round(1e-4 * (step + 1), 6) for step in range(VARIANTS // 4)]
    over = {"training.learning_rate": rates, "training.weight_decay": [0, 0.01, 0.02, 0.03]}
    (experiments / "many.yaml").write_text(json.dumps({"extends": "cvs", "sweep": {"over": over}}))
    found = {}
    for name, key in (("wide", "plan_1000_shards"), ("many", "plan_100_variants")):
        before, began = spent(), time.monotonic()
        words = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "-n", "-q", "rules"]
        subprocess.run(
            [*words, "--config", f"experiments={name}"], cwd=folder, check=True, capture_output=True, timeout=600
        )
        found |= {f"{key}_s": spent() - before, f"{key}_wall_s": time.monotonic() - began}
    return found


def merged(folder: Path) -> dict[str, float]:
    """A thousand parts: one is measured, the others are it again, with other contents."""
    make(folder / "data", MERGED_ITEMS)
    figures_of(start("measure", folder / "data", folder / "part"))
    lines, part = (folder / "part/items.jsonl").read_text(), (folder / "part/part.json").read_text()
    for number in range(SHARDS):
        below = folder / "parts" / f"shard_{number}"
        below.mkdir(parents=True)
        (below / "items.jsonl").write_text(lines.replace(".png", f"_{number}.png"))
        (below / "part.json").write_text(part)
    found = figures_of(start("judge", folder / "parts"))
    return {"merge_1000_shards_s": found["cpu_s"], "merge_1000_shards_wall_s": found["wall_s"]}


def workers(folder: Path) -> dict[str, float]:
    shards = [folder / f"shard_{number}" for number in range(2)]
    for number, shard in enumerate(shards):
        make(shard, WORKER_ITEMS, number * 100_000)
    cores = sorted(os.sched_getaffinity(0))[:2]
    walls: dict[int, list[float]] = {1: [], 2: []}
    cpus: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(TURNS):
        for count in (1, 2) if turn % 2 == 0 else (2, 1):
            outs = [folder / f"out_{turn}_{count}_{number}" for number in range(2)]
            if count == 2:
                side_by_side = [start("measure", shards[at], outs[at], core=cores[at]) for at in range(2)]
                found = [figures_of(one) for one in side_by_side]
                walls[2].append(max(one["wall_s"] for one in found))
            else:
                found = [figures_of(start("measure", shards[at], outs[at], core=cores[0])) for at in range(2)]
                walls[1].append(sum(one["wall_s"] for one in found))
            cpus[count].append(sum(one["cpu_s"] for one in found))
    one, two = (sorted(walls[count])[TURNS // 2] for count in (1, 2))
    return {
        "one_worker_wall_s": one, "two_workers_wall_s": two, "efficiency": one / (2 * two),
        "processor_efficiency": min(cpus[1]) / min(cpus[2]),
    }  # fmt: skip


def by_items(folder: Path, sizes: Sequence[int]) -> dict[str, Any]:
    base = figures_of(start("nothing"))
    rows: list[dict[str, float]] = []
    for size in sizes:
        data, out = folder / f"data_{size}", folder / f"out_{size}"
        make(data, size)
        out.mkdir()
        measured = figures_of(start("measure", data, out / "shard_0"))
        judged = figures_of(start("judge", out))
        rows.append(
            {
                "items": size,
                "measure_s": measured["cpu_s"] - base["cpu_s"], "measure_mb": measured["peak_mb"],
                "judge_s": judged["cpu_s"] - base["cpu_s"], "judge_mb": judged["peak_mb"],
            }
        )  # fmt: skip
        shutil.rmtree(data)
    first, last = rows[-2], rows[-1]
    decades = math.log10(last["items"] / first["items"])
    slopes = {
        f"{name}_slope": math.log10(last[f"{name}_s"] / first[f"{name}_s"]) / decades for name in ("measure", "judge")
    }
    grown = {
        f"{name}_bytes_per_item": (last[f"{name}_mb"] - first[f"{name}_mb"]) * 1e6 / (last["items"] - first["items"])
        for name in ("measure", "judge")
    }
    return {"base_mb": base["peak_mb"], "items": rows, **slopes, **grown}


def work(what: str, arguments: Sequence[str]) -> None:
    before, began = spent(), time.monotonic()
    WORK[what](*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(json.dumps({"cpu_s": spent() - before, "wall_s": time.monotonic() - began, "peak_mb": peak}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="where the files are made, and removed again")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work[0], arguments.work[1:])
        return
    figures: dict[str, Any] = {"load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="gonogo-scale-", dir=arguments.folder) as made:
        for part in (plans, merged, workers):
            below = Path(made, part.__name__)
            below.mkdir()
            figures |= part(below)
            print(json.dumps(figures, indent=1), flush=True)
        figures |= by_items(Path(made), arguments.items)
    print(json.dumps(figures, indent=1))
    if arguments.json:
        save(arguments.json, figures)


if __name__ == "__main__":
    main()
