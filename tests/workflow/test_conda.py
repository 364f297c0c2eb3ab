"""`--sdm conda`: each job runs in its rule's environment. conda.py stands in for conda."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import Site

ACTIVATE = 'export CONDA_PREFIX="$1"; export PATH="$1/bin:$PATH"\n'


def install_conda(prefix: Path) -> Path:
    """The folder of its commands."""
    (prefix / "bin").mkdir(parents=True)
    conda = prefix / "bin/conda"
    program = (Path(__file__).parent / "conda.py").read_text()
    conda.write_text(program.replace("/usr/bin/env python3", sys.executable, 1))
    conda.chmod(0o755)
    (prefix / "bin/activate").write_text(ACTIVATE)
    return prefix / "bin"


@pytest.mark.slow
def test_a_job_runs_in_the_environment_of_its_rule(fresh: Site, tmp_path: Path) -> None:
    commands = install_conda(tmp_path / "conda")
    environment = {**fresh.environment(), "PATH": f"{commands}:{os.environ['PATH']}"}
    done = subprocess.run(
        fresh.command("--sdm", "conda", "--until", "prepare"), cwd=fresh.folder, env=environment, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (used,) = (fresh.folder / ".snakemake/conda").glob("*/used")
    assert "prepare.py" in used.read_text()
    (parsing,) = (tmp_path / "conda/envs").iterdir()
    assert parsing.name.startswith("conda-inject")
