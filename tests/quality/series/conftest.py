"""Folders of good data, to which a test adds what is bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from .recordings import eeg, labels, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five good recordings; a test adds what is bad."""
    for number in range(5):
        save(tmp_path / f"data/good_{number}.h5", eeg(number), labels())
    return tmp_path / "data"
