"""Figures of a benchmark as JSON, with when and where they were measured; tools/tables.py makes tables of them."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

SOFTWARE = ("torch", "snakemake")


def save(path: Path, figures: Mapping[str, Any]) -> None:
    """Write the figures and their circumstances; the load is that of the last minute."""
    path.write_text(json.dumps({**circumstances(), **figures}, indent=1) + "\n")


def circumstances() -> dict[str, Any]:
    names = [f"{name} {version(name)}" for name in SOFTWARE if importlib.util.find_spec(name)]
    return {
        "date": dt.date.today().isoformat(),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, load {os.getloadavg()[0]:.1f}",
        "software": ", ".join([f"Python {platform.python_version()}", *names]),
    }


def _processor() -> str:
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
