"""The rooms of the gates, torch's among them, where only what `pip install gonogo` brings is installed."""

from __future__ import annotations

from pathlib import Path

from tests.test_distribution import without_workflow


def test_the_rooms_of_the_gates_import_without_the_workflows_packages(root: Path, tmp_path: Path) -> None:
    rooms = ("base", "config", "gates", "health", "memory", "quality", "script", "verdict")
    names = [
        ".".join(path.relative_to(root).with_suffix("").parts)
        for room in rooms for path in sorted((root / "gonogo").glob(f"{room}/**/*.py")) if path.stem[0] != "_"
    ]  # fmt: skip
    program = f"import importlib\nfor name in {names}: importlib.import_module(name)"
    done = without_workflow(root, tmp_path, program)
    assert len(names) > 100 and done.returncode == 0, done.stderr[-2000:]
