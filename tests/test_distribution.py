"""What `pip install .` brings: one package, with the workflow in it; and the locks beside it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from PIL import Image

from tests.waiting import LIMIT_S
from tools import locks
from tools.locks import locked

SHIPPED = [
    "Snakefile", "workflow/Snakefile", "workflow/rules/common.smk", "workflow/scripts/judge.py",
    "workflow/report/run.rst", "profiles/local/profile.yaml", "profiles/cloud/profile.yaml",
    "profiles/slurm/profile.yaml", "config/targets/slurm.yaml",
    "config/accelerators.yaml", "config/targets/h200.yaml", "config/schema.json", "requirements-train.lock",
]  # fmt: skip
DEVELOPMENT = {"moto", "mypy", "snakefmt", "pytest", "pytest-xdist", "hypothesis", "ruff", "import-linter", "hatchling"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=root, check=True,
        capture_output=True, timeout=LIMIT_S,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel and this environment's libraries, and without this checkout."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=LIMIT_S)
    packages = next(venv.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
    return venv / "bin/python"


def run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"OMP_NUM_THREADS": "1"},
        timeout=LIMIT_S,
    )


def test_the_wheel_holds_one_package_and_the_workflow(wheel: Path, root: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"gonogo"}
    assert [name for name in SHIPPED if f"gonogo/workflow_files/{name}" not in names] == []
    rules = {path.name for path in (root / "workflow").rglob("*.smk")} | {
        path.name for path in (root / "workflow/scripts").glob("*.py")
    }
    assert rules <= {Path(name).name for name in names if name.startswith("gonogo/workflow_files/workflow/")}
    assert [name for name in names if "__pycache__" in name] == []


def test_an_installed_package_is_imported_alone(python: Path, tmp_path: Path) -> None:
    done = run(python, tmp_path, "-c", "import gonogo; print(gonogo.__file__); import experiments")
    assert done.stdout.startswith(str(python.parents[1])) and "No module named 'experiments'" in done.stderr
    done = run(python, tmp_path, "-m", "gonogo.base.shipped")
    assert (Path(done.stdout.strip()) / "Snakefile").is_file()


@pytest.mark.slow
def test_an_installed_workflow_plans_a_users_own_experiment(python: Path, tmp_path: Path, root: Path) -> None:
    files = Path(run(python, tmp_path, "-m", "gonogo.base.shipped").stdout.strip())
    dry = ["-m", "snakemake", "-s", str(files / "Snakefile"), "--profile", str(files / "profiles/local"), "-n"]
    nothing = run(python, tmp_path, *dry)
    told = nothing.stdout + nothing.stderr
    assert nothing.returncode == 1 and "Traceback" not in told
    assert f"config/config.yaml but it is not present or accessible (full checked path: {tmp_path}" in told

    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "config/config.yaml").write_text("experiments: eeg\n")
    shutil.copy(root / "config/experiments/eeg.yaml", tmp_path / "config/experiments")
    shutil.copytree(root / "experiments/eeg", tmp_path / "experiments/eeg")
    planned = run(python, tmp_path, *dry)
    assert planned.returncode == 0 and "judge_generator" in planned.stdout, planned.stderr


def test_importing_the_package_takes_no_time(root: Path) -> None:
    """50 ms are the limit; counted here is what it imports, which a loaded machine does not change."""
    program = "import sys; before = set(sys.modules); import gonogo; print(*sorted(set(sys.modules) - before))"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=True, timeout=LIMIT_S
    ).stdout
    loaded = {name.split(".")[0] for name in told.split()}
    assert loaded - sys.stdlib_module_names <= {"gonogo"} and len(told.split()) < 60


# --- the locks ---


def test_the_machines_lock_is_part_of_the_developers(root: Path) -> None:
    training, development = locked(root / "requirements-train.lock"), locked(root / "requirements.lock")
    assert training.items() <= development.items()
    assert not DEVELOPMENT & set(training) and set(development) >= DEVELOPMENT
    assert {"torch", "lightning", "pydantic", "numpy", "monai", "transformers"} <= set(training)


@pytest.fixture(scope="module")
def made_from_the_lock() -> dict[str, str]:
    return locks.files()


@pytest.mark.parametrize("name", [locks.TRAIN, locks.JOBS, locks.PARSING])
def test_what_is_made_from_the_lock_is_up_to_date(name: str, made_from_the_lock: dict[str, str], root: Path) -> None:
    assert (root / name).read_text() == made_from_the_lock[name]


def test_what_is_left_off_the_machine_is_named_in_the_workflow_extra(root: Path) -> None:
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    workflow = {locks.canonical(line.split(">")[0]) for line in extras["workflow"]}
    assert workflow >= locks.ONLY_HERE and set(extras) >= locks.NOT_ON_THE_MACHINE


# --- the gates alone: pip install gonogo ---


def test_the_gates_bring_few_packages_beside_torch(root: Path) -> None:
    core = tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    torch = locks.needed([Requirement("torch")])
    assert len(locks.needed(map(Requirement, core)) - torch) <= 20
    assert not {"snakemake", "lightning", "paramiko", "matplotlib"} & locks.needed(map(Requirement, core))


WITHOUT_WORKFLOW = """
import importlib.abc, sys
from gonogo.base.extras import BROUGHT_BY_WORKFLOW
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BROUGHT_BY_WORKFLOW:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def without_workflow(root: Path, folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_WORKFLOW + program], cwd=folder, capture_output=True, text=True, check=False,
        env=environment, timeout=LIMIT_S,
    )  # fmt: skip


def test_data_and_memory_are_judged_without_the_workflows_packages(root: Path, tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 60).convert("RGB").save(tmp_path / "a.png")
    judged = "from gonogo.cli.main import main\nsys.exit(main(['inspect', '.', '--kind', 'images']))"
    done = without_workflow(root, tmp_path, judged)
    assert "1 of 1 files judged" in done.stdout and "Traceback" not in done.stderr


def test_a_command_that_needs_the_workflow_says_how_to_install_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "config/config.yaml").write_text("experiments: eeg\n")
    shutil.copy(root / "config/experiments/eeg.yaml", tmp_path / "config/experiments")
    shutil.copytree(root / "experiments/eeg", tmp_path / "experiments/eeg")
    commands = (["attach"], ["plan", "eeg"], ["memory", "--experiment", "eeg"])
    program = f"from gonogo.cli.main import main\nsys.exit(not all([main(words) for words in {commands}]))"
    done = without_workflow(root, tmp_path, program)
    told = done.stderr.splitlines()
    assert done.returncode == 0 and len(told) == len(commands), done.stderr
    for line in told:
        assert line.startswith("error: ") and line.endswith("pip install 'gonogo[workflow]'")


# --- what Snakemake's catalogue reads ---


@pytest.mark.parametrize(("name", "python"), [(locks.JOBS, "python=3.11"), (locks.PARSING, None)])
def test_a_conda_environment_pins_what_the_lock_pins(name: str, python: str | None, root: Path) -> None:
    environment = yaml.safe_load((root / name).read_text())
    *from_conda, pip = environment["dependencies"]
    assert from_conda == ([python, "pip"] if python else ["pip"]) and environment["channels"][0] == "conda-forge"
    development = locked(root / "requirements.lock")
    assert {locks.canonical(line.split("==")[0]): line for line in pip["pip"]}.items() <= development.items()
    assert not DEVELOPMENT & {line.split("==")[0] for line in pip["pip"]}


def test_every_rule_with_a_script_names_its_environment(root: Path) -> None:
    rules = "".join(path.read_text() for path in sorted((root / "workflow/rules").glob("*.smk")))
    blocks = re.split(r"^(?:rule|checkpoint) ", rules, flags=re.MULTILINE)[1:]
    assert [block.split(":")[0] for block in blocks if "conda:\n        ENVIRONMENT" not in block] == []


def test_the_catalogue_finds_the_workflow_and_its_front_page(root: Path) -> None:
    usage = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"]["conda"] is True and usage["report"] is True
    assert (root / "workflow/Snakefile").is_file()
    assert re.search(r'^report: "workflow/report/workflow.rst"$', (root / "Snakefile").read_text(), re.MULTILINE)
    assert "GO, CAUTION, UNKNOWN" in (root / "workflow/report/workflow.rst").read_text()
