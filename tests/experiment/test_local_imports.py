"""The files that a project's file imports, found by reading alone."""

from __future__ import annotations

from pathlib import Path

from gonogo.experiment.local_imports import imported_files


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    write(
        tmp_path,
        gonogo_experiment="def experiment():\n    import torch\n    from net import parts\n    import tools.deep.far\n",
        net__parts="from . import layers\nfrom ..elsewhere import nothing\n",
        net__layers="import numpy\n",
        tools__deep__far="from tools import near as close\n",
        tools__near="def broken(:\n",
        unused="import net\n",
    )
    for package in ("net", "tools"):
        (tmp_path / package / "__init__.py").touch()
    found = {
        path.relative_to(tmp_path).as_posix() for path in imported_files(tmp_path / "gonogo_experiment.py", tmp_path)
    }
    assert found == {
        "gonogo_experiment.py", "net/__init__.py", "net/parts.py", "net/layers.py", "tools/__init__.py",
        "tools/deep/far.py", "tools/near.py",
    }  # fmt: skip
