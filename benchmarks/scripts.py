"""`gonogo check` over training scripts of public repositories, as they are.

    python benchmarks/scripts.py FOLDER… [--card h200] [--only TEXT] [--json FILE]

FOLDER: one that holds checkouts by their names (nanoGPT, examples, …; benchmarks/public_scripts.py names the
repositories and commits). Each script is copied with its repository, gets small data in its own layout, and is checked
there; a checkout that is absent, at another commit or without a package that the script imports is a row that says so.

Columns: verdict of each part, needed memory and its phase, seconds, lines of theirs that were changed (files of the
copy that differ afterwards are named: there must be none).
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import save
from public_scripts import SCRIPTS, PublicScript

PARTS = ("data", "wiring", "learning", "memory")
LIMIT_S = 300


def checkout_of(script: PublicScript, folders: list[Path]) -> tuple[Path | None, str]:
    """The checkout, or None and why there is none."""
    name = script.repository.rpartition("/")[2]
    found = next((folder / name for folder in folders if (folder / name / ".git").exists()), None)
    if found is None:
        return None, f"no checkout of {script.repository}"
    head = subprocess.run(["git", "-C", found, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    if head.stdout.strip() != script.commit:
        return None, f"at {head.stdout[:8]}, not {script.commit[:8]}"
    missing = [name for name in script.needs if importlib.util.find_spec(name) is None]
    return (None, f"pip install {' '.join(missing)}") if missing else (found, "")


def copied(checkout: Path, target: Path) -> None:
    """The checkout without its history."""
    shutil.copytree(checkout, target, ignore=shutil.ignore_patterns(".git"), symlinks=True)
    (target / ".git").mkdir()  # tools that look for the project's root find it


def contents(folder: Path) -> dict[str, str]:
    """Digest by path of every file."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def check(script: PublicScript, checkout: Path, card: str, more: list[str]) -> dict[str, Any]:
    """One row."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / checkout.name
        copied(checkout, copy)
        script.make_data(copy)
        before, report = contents(copy), Path(temporary) / "verdict.json"
        words = [sys.executable, "-m", "gonogo", "check", "--card", card, "--json", str(report), *more]
        words += ["--rehearse-with", script.rehearse] if script.rehearse else []
        started = time.time()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parent.parent)}
        try:
            done = subprocess.run(
                [*words, "--", *shlex.split(script.words)], cwd=copy / script.folder, env=environment,
                capture_output=True, text=True, timeout=LIMIT_S, check=False,
            )  # fmt: skip
            said, code = done.stdout + done.stderr, done.returncode
        except subprocess.TimeoutExpired:
            said, code = f"no answer in {LIMIT_S} s", -1
        seconds = time.time() - started
        after = contents(copy)
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        found = seen(json.loads(report.read_text())) if report.is_file() else {"said": said[-1000:]}
        row = {"script": script.name, "seconds": round(seconds, 1), "exit_code": code, "files_changed": changed}
        return row | found


def seen(verdict: dict[str, Any]) -> dict[str, Any]:
    """What a verdict says in few figures; the reason of each part that is not GO."""
    parts = {part["name"]: part["status"] for part in verdict["parts"]}
    why = {part["name"]: part["summary"][:200] for part in verdict["parts"] if part["status"] != "GO"}
    peak = next((check["value"] for check in verdict["checks"] if check["id"] == "memory.peak_memory"), None)
    live = {stage["name"]: stage["live_bytes"] for stage in verdict["stages"] if stage["reached"]}
    return {
        "parts": parts, "why": why, "needed_gb": peak, "peak_in": max(live, key=lambda name: live[name], default=""),
        "steps": verdict["steps"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--card", default="h200")
    parser.add_argument("--only", default="", help="scripts whose name contains this")
    parser.add_argument("--json", type=Path)
    arguments, more = parser.parse_known_args()
    rows = []
    for script in SCRIPTS:
        if arguments.only not in script.name:
            continue
        checkout, why = checkout_of(script, arguments.folders)
        row = (
            {"script": script.name, "absent": why}
            if checkout is None
            else check(script, checkout, arguments.card, more)
        )
        rows.append(row)
        print(line(row), flush=True)
        if arguments.json:  # after each: all of them take a quarter of an hour
            save(arguments.json, {"card": arguments.card, "scripts": rows})


def line(row: dict[str, Any]) -> str:
    if "absent" in row:
        return f"{row['script']:44s} {row['absent']}"
    changed = f"  changed: {', '.join(row['files_changed'])}" if row["files_changed"] else ""
    parts = " ".join(f"{name} {status}" for name, status in row.get("parts", {}).items()) or "no verdict"
    needed = f"{row['needed_gb']} GB" if row.get("needed_gb") else "–"
    return f"{row['script']:44s} {row['seconds']:6.1f} s  {needed:>9s}  {parts}{changed}"


if __name__ == "__main__":
    main()
