from __future__ import annotations

from pathlib import Path

import pytest

from tests.experiments.cad_mllm.small import make_assets, write_parts

pytest.importorskip("transformers")
pytest.importorskip("peft")
pytest.importorskip("manifold3d")


@pytest.fixture(scope="session")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cad")
    return make_assets(folder / "assets", folder / "cache")


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(tmp_path_factory.mktemp("parts"))
