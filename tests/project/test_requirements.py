from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.base.errors import UserError
from gonogo.project.requirements import NEEDED, pip_lines

LOCK = """
version = 1
[[package]]
name = "mine"
version = "0.1.0"
source = { editable = "." }
dependencies = [{ name = "torch" }, { name = "rich", marker = "sys_platform == 'linux'" }]
[[package]]
name = "torch"
version = "2.8.0"
dependencies = [{ name = "sympy" }]
[[package]]
name = "sympy"
version = "1.14.0"
[[package]]
name = "rich"
version = "14.0"
dependencies = [{ name = "pygments" }]
[[package]]
name = "pygments"
version = "2.19"
[[package]]
name = "pytest"
version = "8.0"
"""
CONDA = """
name: mine
channels: [conda-forge]
dependencies:
  - python=3.11
  - pytorch::pytorch=2.8
  - pytorch-cuda=12.8
  - numpy>=1.26
  - scipy=1.14.1=py311_0
  - tqdm
  - pip
  - pip: [einops==0.8, "-e ."]
"""
POETRY = """
[tool.poetry.dependencies]
python = "^3.11"
torch = "^2.8"
einops = { version = "~0.8" }
tqdm = "*"
pydantic = "2.9"
"""


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        (
            "requirements.txt",
            "# ours\n-e .\n.[train]\n-r more.txt\ntorch == 2.8.0  # pinned\n-c caps.txt\n"
            "numpy==1.26 \\\n  --hash=sha256:ab\n",
            ["tqdm", "torch == 2.8.0", "numpy==1.26"],
        ),
        ("pyproject.toml", "[project]\nname='a'\ndependencies = ['torch>=2.8', 'PyYAML']\n", ["torch>=2.8", "PyYAML"]),
        ("pyproject.toml", POETRY, ["torch>=2.8,<3", "einops~=0.8", "tqdm", "pydantic==2.9"]),
        (
            "uv.lock",
            LOCK,
            [
                "pygments==2.19 ; ((sys_platform == 'linux'))",
                "rich==14.0 ; (sys_platform == 'linux')", "sympy==1.14.0", "torch==2.8.0",
            ],
        ),
        ("environment.yml", CONDA, ["torch==2.8.*", "numpy>=1.26", "scipy==1.14.1", "tqdm", "einops==0.8"]),
    ],
)  # fmt: skip
def test_each_kind_of_file_becomes_lines_for_pip(name: str, text: str, lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("tqdm\n")
    (tmp_path / name).write_text(text)
    found = pip_lines(tmp_path / name)
    own = [line for line in NEEDED if not any(one.lower().startswith(line.split(">")[0]) for one in lines)]
    assert found == [*lines, *own]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("requirements.txt", "-r gone.txt\n", "names gone.txt, which is not there"),
        ("requirements.txt", "-r requirements.txt\n", "name each other"),
        ("pyproject.toml", "[project\n", "not what such a file holds"),
        ("pyproject.toml", "[tool.black]\n", "neither"),
        ("environment.yml", "- a\n- b\n", "not what such a file holds"),
        ("requirements.txt", "./wheels/mine-1.0-py3-none-any.whl\n", "'./wheels/mine.*' is a path of this computer"),
        ("requirements.txt", "-e packages/mine\n", "'-e packages/mine' is a path of this computer"),
        ("requirements.txt", "file:///opt/wheels/mine.whl\n", "is a path of this computer"),
        ("environment.yml", "dependencies: [{pip: [../other]}]\n", "is a path of this computer"),
        ("packages.csv", "torch", "name a requirements.txt, pyproject.toml, uv.lock or environment.yml"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        pip_lines(tmp_path / name)
    with pytest.raises(UserError, match="cannot be read"):
        pip_lines(tmp_path / "nowhere.txt")
