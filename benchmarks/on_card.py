"""Predicted against measured on a card that is here: peaks of training steps, validation, long batches, checkpoints.

    python -m benchmarks.on_card prepare WHEELS      # at home: packages that the card's machine may lack
    python -m benchmarks.on_card run FOLDER [--wheels WHEELS] [--on cuda|cpu] [--minutes 8] [--only WORDS]

`run` first writes what is predicted (`predictions.json`) and never changes it again, then measures each case in a
process of its own, with a time limit, and prints a table of errors. What is in FOLDER already is not measured again.
On a card, what PyTorch allocates and reserves, what the driver counts and how often memory had to be released is
measured, and one case is run within a little more, and within clearly less, than it is predicted to need. With
`--on cpu` the cases are small, and live bytes of tensors are measured.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import circumstances
from benchmarks.on_card_cases import CASES, Case
from gonogo.base.files import write_text

WHEELS = (
    "torchvision",
    "transformers",
    "tokenizers",
    "safetensors",
    "regex",
    "pydantic",
    "pydantic-core",
    "annotated-types",
    "typing-inspection",
    "psutil",
    "lightning",
    "lightning-utilities",
    "torchmetrics",
)
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
PREDICTION_S = 120
EDGE = "U-Net 43M, batch 8"  # whose predicted need is the limit of a pair: just above, and well below
ABOVE, BELOW = 1.05, 0.80


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.on_card", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="download wheels for a machine without Internet")
    prepare.add_argument("wheels", type=Path)
    prepare.add_argument("--python", default="3.12", metavar="X.Y", help="of that machine")
    run = commands.add_parser("run", help="predict, then measure")
    run.add_argument("folder", type=Path)
    run.add_argument("--wheels", type=Path, help="what `prepare` downloaded")
    run.add_argument("--on", choices=("cuda", "cpu"), default="cuda")
    run.add_argument("--minutes", type=float, default=8, help="for all cases; those that are left are said")
    run.add_argument("--only", default="", help="cases whose name contains this")
    one = commands.add_parser("case", help="predict or measure one case in this process")
    one.add_argument("what", choices=("predict", "measure"))
    one.add_argument("name")
    one.add_argument("on", choices=("cuda", "cpu"))
    one.add_argument("file", type=Path)
    one.add_argument("--limit-bytes", type=int, default=0, help="that the process may take of the card")
    given = parser.parse_args(arguments)
    if given.command == "prepare":
        return download(given.wheels, given.python)
    if given.command == "case":
        return in_this_process(given)
    return run_all(given)


def download(folder: Path, python: str) -> int:
    """Wheels without what they need, each named."""
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    failed = []
    for name in WHEELS:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
        command += ["--python-version", python, "--implementation", "cp", *platforms, _pinned(name)]
        failed += [name] if subprocess.run(command, check=False).returncode else []
    size = sum(file.stat().st_size for file in folder.glob("*.whl")) / 1e6
    print(
        f"{folder}: {len(list(folder.glob('*.whl')))} wheels, {size:.0f} MB"
        + (f"; not: {', '.join(failed)}" if failed else "")
    )
    return bool(failed)


def _pinned(name: str) -> str:
    """The installed version, so that what is predicted here and measured there is the same."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{name}=={version(name).partition('+')[0]}"
    except PackageNotFoundError:
        if name == "torchvision":
            import torch

            from gonogo.memory.builders import torchvision_for

            return f"{name}=={torchvision_for(torch.__version__)}"
        return name


def run_all(given: argparse.Namespace) -> int:
    given.folder.mkdir(parents=True, exist_ok=True)
    began, limit_s = time.monotonic(), 60 * given.minutes
    environment = _with_wheels(given.wheels, given.folder)
    cases = [case for case in CASES if given.only.lower() in case.name.lower() and (case.small or given.on == "cuda")]
    frozen = given.folder / "predictions.json"
    predictions: dict[str, Any] = json.loads(frozen.read_text())["predictions"] if frozen.exists() else {}
    for case in cases:
        if case.name not in predictions:
            predictions[case.name] = _child("predict", case, given.on, environment, given.folder, PREDICTION_S)
            whole = {**circumstances(), "on": given.on, "predictions": predictions}
            write_text(frozen, json.dumps(whole, indent=1) + "\n")
            print(f"predicted: {case.name}", flush=True)
    results = given.folder / "results.json"
    measured: dict[str, Any] = json.loads(results.read_text())["measured"] if results.exists() else {}
    for name, case, limit_bytes in _order(cases, predictions, given.on):
        if name in measured:
            continue
        left = limit_s - (time.monotonic() - began)
        if left < 5:
            print(f"{given.minutes:g} minutes are over; run this again for the rest, from {name!r} on")
            break
        seconds = min(case.limit_s, left)
        found = _child("measure", case, given.on, environment, given.folder, seconds, limit_bytes)
        if "error" in found and seconds < case.limit_s:  # its time was cut: it is left for the next call
            print(f"{given.minutes:g} minutes are over at {name!r}")
            break
        measured[name] = {**found, "limit_bytes": limit_bytes}
        save(results, given.on, predictions, measured)
        print(_line(name, given.on, predictions.get(case.name, {}), measured[name]), flush=True)
    found = save(results, given.on, predictions, measured)
    print("\n".join(f"{key:28s} {value}" for key, value in found["summary"].items()))
    return 0


def _order(cases: list[Case], predictions: dict[str, Any], on: str) -> list[tuple[str, Case, int]]:
    """As they are listed; on a card, with the pair at the edge after the first ones."""
    found = [(case.name, case, 0) for case in cases]
    edge = next((case for case in cases if case.name == EDGE), None)
    needed = predictions.get(EDGE, {}).get("needed_bytes")
    if on == "cuda" and edge and needed:
        pair = [(f"{EDGE}, within {part:.0%} of its need", edge, int(part * needed)) for part in (ABOVE, BELOW)]
        found[2:2] = pair
    return found


def _with_wheels(wheels: Path | None, folder: Path) -> dict[str, str]:
    """The environment of every case; with wheels, of a folder into which they were unpacked once."""
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    if wheels is not None:
        site = folder.resolve() / "site"
        if not site.is_dir():
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "-q",
                "--no-index",
                "--no-deps",
                "--no-compile",
                "--target",
            ]
            files = [str(file) for file in sorted(wheels.glob("*.whl"))]
            subprocess.run([*command, str(site), *files], check=True)
        paths.append(str(site))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}


def _child(
    what: str, case: Case, on: str, environment: dict[str, str], folder: Path, limit_s: float, limit_bytes: int = 0
) -> dict[str, Any]:
    """Its figures, or `error`."""
    file = folder / "case.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.on_card", "case", what, case.name, on, str(file)]
    command += ["--limit-bytes", str(limit_bytes)]
    paths = environment["PYTHONPATH"].split(os.pathsep)
    there = [name for name in case.needs if any(Path(path, name).is_dir() for path in paths)]
    missing = [name for name in case.needs if name not in there and importlib.util.find_spec(name) is None]
    if missing:
        return {"error": f"not installed: {', '.join(missing)} (`prepare` and --wheels bring them)"}
    own = {**environment, **(case.environment if what == "measure" else {})}
    try:
        done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"longer than {limit_s:.0f} s"}
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text())
        file.unlink()
        return found
    return {"error": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}


def in_this_process(given: argparse.Namespace) -> int:
    from benchmarks import on_card_measure

    case = next(case for case in CASES if case.name == given.name)
    make = {"predict": on_card_measure.predict, "measure": on_card_measure.measure}[given.what]
    write_text(given.file, json.dumps(make(case, given.on, given.limit_bytes)))
    sys.stdout.flush()
    os._exit(0)  # torn down in the interpreter's order, fake tensors corrupt the heap (torch 2.13)


def _expected(on: str, predicted: dict[str, Any]) -> int | None:
    """What the measured peak is held against: a processor has no caching allocator."""
    return predicted.get("live_bytes" if on == "cpu" else "reserved_bytes")


def _line(name: str, on: str, predicted: dict[str, Any], measured: dict[str, Any]) -> str:
    head = f"{name:48s}"
    if predicted.get("error") or "peak_bytes" not in measured:
        return f"{head} {predicted.get('error') or measured.get('error')}"
    if measured.get("out_of_memory"):
        return f"{head} out of memory"
    expected = _expected(on, predicted) or 0
    error = 100 * (expected / measured["peak_bytes"] - 1)
    parts = f"{expected / 1e9:9.3f} GB {measured['peak_bytes'] / 1e9:9.3f} GB {error:+6.1f} %"
    return f"{head} {parts}  {measured['retries']} retries, {measured['seconds']:.0f} s"


def save(path: Path, on: str, predictions: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    """Everything, with the errors' summary; the machine is the one that this runs on."""
    errors = {}
    for name, found in measured.items():
        expected = _expected(on, predictions.get(name, {}))
        if expected and found.get("peak_bytes") and not found.get("out_of_memory"):
            errors[name] = 100 * (expected / found["peak_bytes"] - 1)
    absolute = [abs(error) for error in errors.values()]
    summary = {
        "cases": len(measured), "with an error": len(errors),
        "not measured": [f"{name}: {found['error']}" for name, found in measured.items() if "error" in found],
        "median_abs_error_pct": statistics.median(absolute) if absolute else None,
        "worst_abs_error_pct": max(absolute, default=None),
    }  # fmt: skip
    cases = {case.name: {key: value for key, value in asdict(case).items() if key != "build"} for case in CASES}
    whole = {
        **circumstances(),
        "on": on,
        "summary": summary,
        "errors_pct": errors,
        "measured": measured,
        "cases": cases,
    }
    write_text(path, json.dumps(whole, indent=1) + "\n")
    return whole


if __name__ == "__main__":
    sys.exit(main())
