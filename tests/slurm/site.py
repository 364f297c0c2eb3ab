"""A folder in which the workflow runs beside a Slurm that a test has started."""

from __future__ import annotations

from dataclasses import dataclass

from tests.slurm.cluster import Cluster
from tests.workflow.conftest import Site


@dataclass
class BesideSlurm(Site):
    slurm: Cluster

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **self.slurm.environment}

    @property
    def said(self) -> str:
        return (self.folder / "snakemake.txt").read_text()
