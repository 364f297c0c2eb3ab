"""How long the chain takes, against its own work: what generating, training, predicting, tracing and transferring take.

    python benchmarks/chain.py [--json FILE]     # about four minutes on two idle cores

Keys of the JSON: dark_no_go_s, chain_wall_s, chain_work_s, chain_overhead_s, chain_ratio, again_s, threshold_s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import save

ROOT = Path(__file__).parent.parent
SHARED = ["Snakefile", "workflow", "gonogo", "resources", "profiles", "local", "requirements-train.lock"]


def timed(site: Path, *arguments: str, expect: int) -> float:
    """Seconds of one `snakemake --profile local`, start-up included."""
    command = [sys.executable, "-m", "snakemake", "--profile", "local", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each job compiles the package again
    started = time.monotonic()
    done = subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != expect:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}, not {expect}\n{done.stdout}{done.stderr}")
    return time.monotonic() - started


def measure(site: Path) -> dict[str, float]:
    dark = timed(site, "--config", "experiments=cvs_dark", expect=1)
    wall = timed(site, expect=0)
    timing = json.loads((site / "results/timing.json").read_text())
    return {
        "dark_no_go_s": dark,
        "chain_wall_s": wall,
        "chain_work_s": timing["work_s"],
        "chain_overhead_s": wall - timing["work_s"],
        "chain_ratio": wall / timing["work_s"],
        "again_s": timed(site, expect=0),
        "threshold_s": timed(site, "--config", "gates={quality: {min_brightness_ratio: 0.4}}", expect=0),
    }


TITLES = {
    "dark_no_go_s": "cvs_dark, from the start of snakemake to its NO-GO",
    "chain_wall_s": "cvs, the whole chain to its report",
    "chain_work_s": "  of which work: the peer, what it would take by hand",
    "chain_overhead_s": "  of which the chain's own overhead",
    "chain_ratio": "  whole / work",
    "again_s": "the same again: nothing to be done",
    "threshold_s": "a changed threshold: only judges run",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        for name in SHARED:
            (site / name).symlink_to(ROOT / name)
        for name in ("config", "experiments"):  # what is sent to a machine may not lie behind a link
            shutil.copytree(ROOT / name, site / name, ignore=shutil.ignore_patterns("__pycache__"))
        found = {key: round(value, 2) for key, value in measure(site).items()}
    for key, title in TITLES.items():
        print(f"{title:56s} {found[key]:8.2f} {'' if key == 'chain_ratio' else 's'}")
    if arguments.json:
        save(arguments.json, found)


if __name__ == "__main__":
    main()
