"""A copy of the shipped configuration, to change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def site(tmp_path: Path, root: Path) -> Path:
    shutil.copytree(root / "config", tmp_path / "config")
    return tmp_path
