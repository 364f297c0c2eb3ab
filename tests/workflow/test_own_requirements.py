"""A repository with packages of its own: installed on a machine behind SSH, trained with there, and fetched."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.faults.servers import SSHD, OpenSsh
from tests.remote.wheels import wheel
from tests.remote.workspace import end_all
from tests.workflow.test_own_repository import page_files, run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not SSHD.exists(), reason="OpenSSH's server is not installed")]


def test_training_on_the_machine_finds_what_the_requirements_name(tmp_path: Path) -> None:
    repository, wheels, there = tmp_path / "shapes", tmp_path / "wheels", tmp_path / "there"
    for folder in (repository, wheels, tmp_path / "here/shape_names"):
        folder.mkdir(parents=True)
    code = "def said(right: float) -> str:\n    return f'{right:.3f}'\n"
    (tmp_path / "here/shape_names/__init__.py").write_text(code)  # this computer has it already
    wheel(wheels, "shape_names", "1.2", {"shape_names/__init__.py": code})
    # torch and the rest are there as on an image for training, and are not downloaded
    wheel(wheels, "image_packages", "1.0", {"image_packages.pth": sysconfig.get_path("purelib")})
    for name, text in page_files("The chain in your repository").items():
        (repository / name).write_text(text)
    script = (repository / "train.py").read_text().replace("import numpy", "import shape_names\nimport numpy")
    script = script.replace("{right / len(validation.dataset):.3f}", "{shape_names.said(right / 40)}")
    saved = 'f"{arguments.output_dir}/model.pt")\n'
    noted = '        Path(arguments.output_dir, "from.txt").write_text(shape_names.__file__)\n'
    script = script.replace(saved, saved + noted)
    assert script.count("shape_names") == 3
    (repository / "train.py").write_text(script)
    (repository / "requirements.txt").write_text(f"--find-links {wheels}\nimage-packages\nshape-names >=1, <2\n")
    path = f"{ROOT}:{tmp_path}/here"
    run(
        repository,
        "git init -q && printf 'data/\n' > .gitignore && git add . && python draw.py && gonogo init",
        path=path,
    )
    (config,) = (repository / "config/experiments").glob("*.yaml")
    said = config.read_text().replace("statement: ''", "statement: Nine of ten shapes are named correctly.")
    assert "\ngates:" not in said
    config.write_text(f"{said}\ngates:\n  canary: {{max_slowdown: 100}}\n")  # others are at work on this computer
    (tmp_path / "server").mkdir(mode=0o700)
    server = OpenSsh(tmp_path / "server")
    ssh = server.start()
    try:
        (tmp_path / "server/known_hosts").write_text(f"[127.0.0.1]:{ssh.port} {server.host_key()}\n")
        target = {
            "connection": ssh.model_dump(mode="json"),
            "python": sys.executable,
            "root": str(there),
            "min_free_gb": 0,
        }
        (repository / "config/targets").mkdir(exist_ok=True)
        (repository / "config/targets/box.yaml").write_text(yaml.safe_dump({**target, "min_free_gb": 0}))
        run(repository, "snakemake --profile local --config target=box", path=path)
    finally:
        end_all(there)
        server.kill()
    (environment,) = there.glob(".env-*/bin")
    (archive,) = (repository / "archive").glob("*/[!.]*")
    found = Path((archive / "out/from.txt").read_text())
    assert environment.parent in found.parents and found.parent.name == "shape_names", found
    assert (archive / "out/model.pt").stat().st_size > 1000
