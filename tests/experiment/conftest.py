from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiment.packages import Package


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    return Package(tmp_path, monkeypatch)
