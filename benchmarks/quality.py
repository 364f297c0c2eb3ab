"""How fast pictures are measured, against CleanVision's checks and against reading and decoding alone.

    python benchmarks/quality.py [--json FILE] [--items 4000] [--peer-python PYTHON]     # about four minutes

All run with two threads or worker processes on one folder of each kind, twice, the second time in reverse order, so
that whatever else the machine does hits all alike. Each is timed after its imports and a warm-up, in a process of its
own; starting the workers counts. Decoding alone is done by threads and by processes, and the faster one is the limit.

Of gonogo, `pass` is `images_statistics` alone by threads, `gonogo` all that the quality stage does (`measure_part`).

Keys of the JSON: png_ratio and jpeg_ratio (gonogo against CleanVision; null without it), png_limit_fraction and
jpeg_limit_fraction (gonogo, of the rate of decoding alone), peak_mb (of gonogo with its workers, over all pictures;
memory that processes share counts once: PSS, looked at 20 times a second), `KIND_NAME_images_per_s` and
`KIND_NAME_cpu_us` (processor time of all its processes for a picture) of all that was run, items, machine, load (of
one minute, before the run), load_during (the greatest, its own processes included), date.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import psutil
import simplejpeg
from figures import save

ROOT = Path(__file__).parent.parent
SIDE, JPEG_QUALITY, MOST_NOISE = 256, 90, 3.0
WORKERS, TURNS, CHUNK, WARM_UP = 2, 2, 32, 20
LOOK_S = 0.05  # between looks at the memory
KINDS = {"png": ".png", "jpeg": ".jpg"}
OURS = "decode_threads", "decode_processes", "pass", "gonogo"
CLEANVISION = """
import json, resource, sys, time
from cleanvision import Imagelab
def cpu():
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)
before, started = cpu(), time.perf_counter()
lab = Imagelab(data_path=sys.argv[1], verbose=False)
lab.find_issues(n_jobs=2, verbose=False)
seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds, "cpu_s": cpu() - before, "images": len(lab.issues)}))
"""
INSTALL = "CleanVision is not there: pip install 'gonogo[bench]', or name an interpreter that has it (--peer-python)."


def make_pictures(folder: Path, items: int) -> None:
    """Crops of the photographs in `folder/KIND/`: scaled, mirrored, brighter or darker, with a little noise.

    And some more in `folder/warm_up/KIND/`.
    """
    rng = np.random.default_rng(0)
    photographs = [cv2.imread(str(path)) for path in sorted((ROOT / "resources/photographs").glob("*.jpg"))]
    noises = rng.normal(0, 1, (16, SIDE, SIDE, 3)).astype(np.float32)
    for index in range(-WARM_UP, items):
        photograph = photographs[rng.integers(len(photographs))]
        side = int(min(photograph.shape[:2]) * rng.uniform(0.4, 1))
        top, left = (rng.integers(0, extent - side + 1) for extent in photograph.shape[:2])
        crop = photograph[top : top + side, left : left + side, :][:, :: rng.choice([-1, 1])]
        levels = 255 * np.linspace(0, 1, 256) ** rng.uniform(0.7, 1.4)
        picture = cv2.resize(np.ascontiguousarray(crop), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        noise = np.roll(noises[rng.integers(len(noises))], rng.integers(SIDE), axis=0) * rng.uniform(0, MOST_NOISE)
        picture = (levels.astype(np.float32)[picture] + noise).clip(0, 255).astype(np.uint8)
        for kind, suffix in KINDS.items():
            part = folder / kind if index >= 0 else folder / "warm_up" / kind
            part.mkdir(parents=True, exist_ok=True)
            name = part / f"{index:06d}{suffix}"
            cv2.imwrite(str(name), picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if kind == "jpeg" else [])


# --- in a process of its own ---


def decode_only(path: Path) -> None:
    with path.open("rb") as file:
        data = file.read()
    if path.suffix == ".jpg":
        simplejpeg.decode_jpeg(data, colorspace="BGR")
    else:
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def decode_all(paths: Sequence[Path]) -> None:
    for path in paths:
        decode_only(path)


def side_by_side(work: Callable[[Sequence[Path]], object], pool: Callable[[], Executor], folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    with pool() as executor:
        for done in [executor.submit(work, chunk) for chunk in chunks]:
            done.result()


def measure_part(folder: Path) -> None:
    """As the quality stage does: `images_statistics`, and a line on disk for each."""
    from gonogo.quality import measure, workers

    workers.MOST_WORKERS = WORKERS
    with tempfile.TemporaryDirectory() as out:
        measure.measure_part("images", folder, Path(out) / "measured")


def contender(what: str) -> Callable[[Path], None]:
    threads = functools.partial(ThreadPoolExecutor, WORKERS)
    if what == "gonogo":
        return measure_part
    if what == "pass":
        from gonogo.quality.pictures.statistics import images_statistics

        return functools.partial(side_by_side, images_statistics, threads)
    processes = functools.partial(ProcessPoolExecutor, WORKERS, multiprocessing.get_context("fork"))
    return functools.partial(side_by_side, decode_all, threads if what == "decode_threads" else processes)


def child(what: str, folder: Path, warm_up: Path) -> None:
    """Prints seconds, of the clock and of processors, and images; what is imported late is imported by the warm-up."""
    cv2.setNumThreads(1)
    work = contender(what)
    work(warm_up)
    before, started = cpu_s(), time.perf_counter()
    work(folder)
    seconds = time.perf_counter() - started
    images = sum(path.is_file() for path in folder.rglob("*"))
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s() - before, "images": images}))


def cpu_s() -> float:
    """Of this process and those that it has waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


# --- the comparison ---

TITLES = {
    "decode_threads": "decode only, threads",
    "decode_processes": "decode only, processes",
    "pass": "gonogo, one pass",
    "gonogo": "gonogo, whole stage",
    "cleanvision": "CleanVision",
}


def run(command: Sequence[str], look: Callable[[psutil.Process], None] = lambda process: None) -> dict[str, float]:
    """What the command prints last; `look` is called with its process again and again."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile("w+") as out:
        process = psutil.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        while process.poll() is None:
            look(process)
            time.sleep(LOOK_S)
        out.seek(0)
        text = out.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}\n{text}")
    return json.loads(text.splitlines()[-1])


def compare(folder: Path, peer: str | None) -> dict[str, float]:
    """Images a second and processor time of each, the peak of memory and of the load."""
    spent: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    ours, load = [sys.executable, __file__, "--child"], 0.0
    for turn in range(TURNS):
        for kind in KINDS:
            part, warm_up = str(folder / kind), str(folder / "warm_up" / kind)
            commands = {name: [*ours, name, part, warm_up] for name in OURS}
            if peer:
                commands["cleanvision"] = [peer, "-c", CLEANVISION, part]
            for name in list(commands)[:: -1 if turn % 2 else 1]:
                for key, value in run(commands[name]).items():
                    spent[f"{kind}_{name}"][key] += value
                load = max(load, os.getloadavg()[0])
    found = {}
    for name, one in spent.items():
        found |= {f"{name}_images_per_s": one["images"] / one["seconds"]}
        found |= {f"{name}_cpu_us": one["cpu_s"] / one["images"] * 1e6}
    for kind in KINDS:
        limits = [found[f"{kind}_{name}_images_per_s"] for name in OURS if name.startswith("decode")]
        found[f"{kind}_decode_images_per_s"] = max(limits)
    return found | {"peak_mb": peak_mb([*ours, "gonogo", str(folder), str(folder / "warm_up")]), "load_during": load}


def peak_mb(command: Sequence[str]) -> float:
    """The most memory that the command and its children held at once."""
    peak = 0.0

    def look(process: psutil.Process) -> None:
        nonlocal peak
        with contextlib.suppress(psutil.Error):  # one of them ended meanwhile
            tree = [process, *process.children(recursive=True)]
            peak = max(peak, sum(one.memory_full_info().pss for one in tree) / 1e6)

    run(command, look)
    return peak


def summary(found: dict[str, float]) -> dict[str, float | None]:
    ratios: dict[str, float | None] = {}
    for kind in KINDS:
        own, peer = found[f"{kind}_gonogo_images_per_s"], found.get(f"{kind}_cleanvision_images_per_s")
        ratios[f"{kind}_ratio"] = own / peer if peer else None
        ratios[f"{kind}_limit_fraction"] = own / found[f"{kind}_decode_images_per_s"]
    return ratios


def show(found: dict[str, float], ratios: dict[str, float | None]) -> None:
    heads = [f"{kind} {unit}" for unit in ("/s", "cpu µs") for kind in KINDS]
    print("two workers           " + "".join(f"{head:>14s}" for head in heads))
    for name, title in TITLES.items():
        cells = [found.get(f"{kind}_{name}_{unit}") for unit in ("images_per_s", "cpu_us") for kind in KINDS]
        print(f"{title:22s}" + "".join(f"{cell:14.0f}" if cell else f"{'-':>14s}" for cell in cells))
    peers, limits = ([ratios[f"{kind}_{name}"] for kind in KINDS] for name in ("ratio", "limit_fraction"))
    print("gonogo / CleanVision  " + "".join(f"{value:13.1f}×" if value else f"{'-':>14s}" for value in peers))
    print("gonogo / decode only  " + "".join(f"{value:14.0%}" for value in limits))
    print(f"peak memory           {found['peak_mb']:11.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--items", type=int, default=4000, help="pictures of each kind")
    own = sys.executable if importlib.util.find_spec("cleanvision") else None
    parser.add_argument("--peer-python", default=own, metavar="PYTHON", help="interpreter that has CleanVision")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], *map(Path, arguments.child[1:]))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(Path(folder), arguments.items)
        found = compare(Path(folder), arguments.peer_python)
    ratios = summary(found)
    show(found, ratios)
    if not arguments.peer_python:
        print(INSTALL)
    if arguments.json:
        save(arguments.json, {**ratios, **found, "items": arguments.items, "load_before": load})


if __name__ == "__main__":
    main()
