"""One Slurm for the tests of a worker, which run one after another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.slurm.cluster import Cluster, cluster


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="module")
def slurm_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of its own, with no other jobs."""
    with cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running
