"""How fast pictures are measured, against CleanVision's checks and against reading and decoding alone.

    python benchmarks/quality.py [--json FILE] [--items 4000] [--peer-python PYTHON]     # about four minutes

All three run on two threads or workers, in turns of a quarter of the pictures, so that whatever else the machine does
hits all alike. Each is timed after its imports, in a process of its own.

Of gonogo, `pass` is `image_statistics` alone, `gonogo` all that the quality stage does (`measure_part`).

Keys of the JSON: png_ratio and jpeg_ratio (gonogo against CleanVision; null without it), png_limit_fraction and
jpeg_limit_fraction (gonogo, of the rate of decoding alone), peak_mb (of the gonogo process, over all pictures),
`KIND_NAME_images_per_s` of all that was run, items, machine, load, date.
"""

from __future__ import annotations

import argparse
import datetime as dt
import functools
import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

ROOT = Path(__file__).parent.parent
SIDE, JPEG_QUALITY, MOST_NOISE = 256, 90, 3.0
THREADS, TURNS, CHUNK, WARM_UP = 2, 4, 32, 20
KINDS = {"png": ".png", "jpeg": ".jpg"}
OURS = "decode", "pass", "gonogo"
CLEANVISION = """
import json, sys, time
from cleanvision import Imagelab
started = time.perf_counter()
lab = Imagelab(data_path=sys.argv[1], verbose=False)
lab.find_issues(n_jobs=2, verbose=False)
print(json.dumps({"seconds": time.perf_counter() - started, "images": len(lab.issues)}))
"""
INSTALL = "CleanVision is not there: pip install 'gonogo[bench]', or name an interpreter that has it (--peer-python)."


def make_pictures(folder: Path, items: int) -> None:
    """Crops of the photographs in `folder/KIND/TURN/`: scaled, mirrored, brighter or darker, with a little noise.

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
            part = folder / kind / str(index % TURNS) if index >= 0 else folder / "warm_up" / kind
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


def side_by_side(work: Callable[[Path], object], folder: Path) -> None:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())

    def chunk(start: int) -> None:
        for path in paths[start : start + CHUNK]:
            work(path)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(chunk, range(0, len(paths), CHUNK)))


def measure_part(folder: Path) -> None:
    """As the quality stage does: `image_statistics`, and a line on disk for each."""
    from gonogo.quality import parts

    parts.WORKERS = THREADS
    with tempfile.TemporaryDirectory() as out:
        parts.measure_part("images", folder, Path(out) / "measured")


def child(what: str, folder: Path, warm_up: Path) -> None:
    """Prints seconds, images and the peak of memory; what is imported late is imported by the warm-up."""
    cv2.setNumThreads(1)
    if what == "gonogo":
        work = measure_part
    elif what == "pass":
        from gonogo.quality.pictures.statistics import image_statistics

        work = functools.partial(side_by_side, image_statistics)
    else:
        work = functools.partial(side_by_side, decode_only)
    work(warm_up)
    started = time.perf_counter()
    work(folder)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    images = sum(path.is_file() for path in folder.rglob("*"))
    print(json.dumps({"seconds": seconds, "images": images, "peak_mb": peak}))


# --- the comparison ---

TITLES = {
    "decode": "decode only",
    "pass": "gonogo, one pass",
    "gonogo": "gonogo, whole stage",
    "cleanvision": "CleanVision",
}


def run(command: Sequence[str]) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(folder: Path, peer: str | None) -> dict[str, float]:
    """Images a second of each, by `KIND_NAME_images_per_s`, and the peak of memory."""
    seconds: dict[str, float] = defaultdict(float)
    images: dict[str, float] = defaultdict(float)
    ours = [sys.executable, __file__, "--child"]
    for turn in range(TURNS):
        for kind in KINDS:
            part, warm_up = str(folder / kind / str(turn)), str(folder / "warm_up" / kind)
            commands = {name: [*ours, name, part, warm_up] for name in OURS}
            if peer:
                commands["cleanvision"] = [peer, "-c", CLEANVISION, part]
            for name, command in commands.items():
                found = run(command)
                seconds[f"{kind}_{name}"] += found["seconds"]
                images[f"{kind}_{name}"] += found["images"]
    rates = {f"{name}_images_per_s": images[name] / spent for name, spent in seconds.items()}
    whole = run([*ours, "gonogo", str(folder), str(folder / "warm_up")])
    return rates | {"peak_mb": whole["peak_mb"]}


def summary(found: dict[str, float]) -> dict[str, float | None]:
    ratios: dict[str, float | None] = {}
    for kind in KINDS:
        own, peer = found[f"{kind}_gonogo_images_per_s"], found.get(f"{kind}_cleanvision_images_per_s")
        ratios[f"{kind}_ratio"] = own / peer if peer else None
        ratios[f"{kind}_limit_fraction"] = own / found[f"{kind}_decode_images_per_s"]
    return ratios


def machine() -> str:
    cpu = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()}, {os.cpu_count()} cores, {platform.system()}"


def show(found: dict[str, float], ratios: dict[str, float | None]) -> None:
    print("images/s, two threads" + "".join(f"{kind:>8s}" for kind in KINDS))
    for name, title in TITLES.items():
        rates = [found.get(f"{kind}_{name}_images_per_s") for kind in KINDS]
        print(f"{title:21s}" + "".join(f"{rate:8.0f}" if rate else f"{'-':>8s}" for rate in rates))
    peers, limits = ([ratios[f"{kind}_{name}"] for kind in KINDS] for name in ("ratio", "limit_fraction"))
    print("gonogo / CleanVision " + "".join(f"{value:7.1f}×" if value else f"{'-':>8s}" for value in peers))
    print("gonogo / decode only " + "".join(f"{value:8.0%}" for value in limits))
    print(f"peak memory          {found['peak_mb']:8.0f} MB")


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
    with tempfile.TemporaryDirectory() as folder:
        make_pictures(Path(folder), arguments.items)
        found = compare(Path(folder), arguments.peer_python)
    ratios = summary(found)
    show(found, ratios)
    if not arguments.peer_python:
        print(INSTALL)
    if arguments.json:
        facts = {"items": arguments.items, "machine": machine(), "load": os.getloadavg()[2]}
        text = json.dumps({**ratios, **found, **facts, "date": dt.date.today().isoformat()}, indent=1)
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
