"""What an experiment's code imported from gonogo before, and what it writes now."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

MOVED = {
    "gonogo.assets": ("Asset",),
    "gonogo.by_hand": ("clip_before_steps", "optimizers_of", "uncounted"),
    "gonogo.config": ("ExperimentConfig", "Training"),
    "gonogo.configload": ("laid_over",),
    "gonogo.errors": ("UserError",),
    "gonogo.experiment": ("Experiment", "Progress", "Stage"),
    "gonogo.files": (
        "code_digest", "digest", "file_digest", "folder_replacing", "replacing", "write_json", "write_text",
    ),
    "gonogo.learning.ema": ("useful",),
    "gonogo.loading": ("loader", "trained"),
    "gonogo.memory.options": ("PlanOption", "gradient_checkpointing"),
    "gonogo.memory.step": ("Step",),
    "gonogo.model": ("Count", "Fraction", "Model", "Positive"),
    "gonogo.quality.kinds": ("Kind",),
    "gonogo.quality.text.kind": ("Texts",),
    "gonogo.thresholds": ("QualityGate",),
}  # fmt: skip
"""Old module → what experiments imported from it; `from gonogo import NAME` gives it now."""

RENAMED = {
    "Experiment": "LightningExperiment",
    "Kind": "Inspector",
    "Model": "StrictModel",
    "laid_over": "deep_merged",
    "uncounted": "without_step_count",
    "useful": "ema_is_useful",
}

WITH_LIGHTNING = "an experiment given as a class is trained with Lightning; give another program as `command:`"
METHODS = {
    "run_training": f"{WITH_LIGHTNING} (docs/bring-your-own.md)",
    "rehearse": f"{WITH_LIGHTNING} (docs/bring-your-own.md)",
    "memory_step": f"{WITH_LIGHTNING}, and its step as `memory:` (docs/bring-your-own.md)",
    "code": "name the files in `generate_code` and `predict_code`, or override `source_files_of`",
}
"""Methods that an experiment could override and that are not called any more → what to write now."""

IMPORT = re.compile(r"^\s*(?:from|import)\s+(gonogo\.[\w.]+)", re.MULTILINE)
PACKAGE = Path(__file__).parent.parent


def old_imports(folder: Path) -> list[str]:
    """A line for each import, in the Python files of a folder, of what is not there any more: where, and what now."""
    return [line for file in sorted(folder.glob("*.py")) for line in _in_file(file)]


def _in_file(file: Path) -> Iterator[str]:
    source = file.read_text(errors="replace")
    if not any(module in MOVED or not _exists(module) for module in IMPORT.findall(source)):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            wrong = [alias.name for alias in node.names if _gone(node.module, alias.name)]
            if wrong:
                yield f"{file}:{node.lineno}: from {node.module} import {', '.join(wrong)}: {_instead(wrong)}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("gonogo.") and not _exists(alias.name):
                    yield f"{file}:{node.lineno}: import {alias.name}: {_instead(MOVED.get(alias.name, ()))}"


def _gone(module: str, name: str) -> bool:
    return name in MOVED.get(module, ()) or (module.startswith("gonogo.") and not _exists(module))


def _instead(names: tuple[str, ...] | list[str]) -> str:
    known = {name for names in MOVED.values() for name in names}
    if not names or not set(names) <= known:
        return "there is no such module; what an experiment may import from gonogo: docs/experiments.md"
    return f"write `from gonogo import {', '.join(RENAMED.get(name, name) for name in names)}`"


def _exists(module: str) -> bool:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()
