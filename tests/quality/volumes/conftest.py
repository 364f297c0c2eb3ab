"""Folders of good data, to which a test adds what is bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from .scans import ct, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five good volumes; a test adds what is bad."""
    found = tmp_path / "data"
    for number in range(5):
        save(found / f"good_{number}.nii{'.gz' if number % 2 else ''}", ct(number))
    return found
