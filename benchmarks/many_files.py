"""A data folder of very many small files: what listing it, finding its items and its digests take.

python -m benchmarks.many_files [--files N] [--folder F] [--json benchmarks/many_files.json]

Each figure is of a process of its own, for memory; seconds are of its processor, so that another load changes little.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.figures import save

PER_FOLDER = 1000
BYTES = 64
MEASURED = ("nothing", "size", "listing_digest", "scan", "draw_sample", "folder_digest")


def make(folder: Path, files: int) -> None:
    """Files of different bytes, a thousand in each folder, as `class_0007/0000123.png`."""
    for first in range(0, files, PER_FOLDER):
        below = folder / f"class_{first // PER_FOLDER:04d}"
        below.mkdir()
        for number in range(first, min(first + PER_FOLDER, files)):
            (below / f"{number:07d}.png").write_bytes(number.to_bytes(8, "little") * (BYTES // 8))


def measure(what: str, folder: Path) -> None:
    """Print seconds of the processor and the peak of memory, above what the imports took."""
    from gonogo.base.digests import folder_digest, listing_digest
    from gonogo.base.files import survey_size
    from gonogo.quality.registry import kind_of
    from gonogo.quality.stratified import stratified_order

    inspector = kind_of("images")
    work: Mapping[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "size": lambda: survey_size(folder),
        "listing_digest": lambda: listing_digest(folder),
        "scan": lambda: inspector.scan(folder),
        "draw_sample": lambda: stratified_order(inspector.scan(folder).items, 0),
        "folder_digest": lambda: folder_digest(folder),
    }
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
    work[what]()
    took_s, after = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF)
    print(took_s, 1024 * (after.ru_maxrss - before.ru_maxrss))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the files are made, and removed again")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--measure", choices=MEASURED, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments.folder)
        return
    figures: dict[str, float] = {"files": arguments.files}
    made = Path(tempfile.mkdtemp(prefix="gonogo-many-", dir=arguments.folder))
    try:
        make(made, arguments.files)
        for what in MEASURED[1:]:
            words = [sys.executable, "-m", "benchmarks.many_files", "--measure", what, "--folder", str(made)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            seconds, peak = map(float, done.stdout.split())
            figures |= {f"{what}_cpu_s": round(seconds, 2), f"{what}_peak_mb": round(peak / 1e6, 1)}
            print(f"{what:16s} {seconds:8.2f} s of CPU {peak / 1e6:9.1f} MB", flush=True)
    finally:
        shutil.rmtree(made)
    if arguments.json:
        save(arguments.json, figures)


if __name__ == "__main__":
    main()
