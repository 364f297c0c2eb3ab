"""The rooms of the package: which may import which, how they are drawn, what their names and sizes may be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.waiting import LIMIT_S
from tools.generated import filled
from tools.house import House, as_mermaid, in_circles, layers, needed_arrows, read_house, summary

MODULES = sorted((ROOT / "gonogo").rglob("*.py"))
MOST_LINES = 300
SHARED_NAMES = {"Measurements"}  # what a gate's stage leaves for it: the gate's room says of what


@pytest.fixture(scope="module")
def house() -> House:
    return read_house()


def test_no_arrow_runs_up_and_no_modules_import_each_other_in_a_circle(house: House) -> None:
    assert house.up == [] and house.circles == []
    assert len(house.rooms) <= 25


def test_every_room_of_the_package_has_its_floor(house: House, root: Path) -> None:
    folders = {path.parent.name for path in root.glob("gonogo/*/__init__.py")}
    files = {path.stem for path in root.glob("gonogo/*.py")} - {"__init__", "__main__"}
    assert folders | files == {room for room in house.rooms if house.modules[room]}


def test_a_circle_is_found_and_what_hangs_on_it_is_not() -> None:
    assert in_circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == ["b", "c"]
    assert in_circles({"a": {"b"}, "b": set()}) == []


def test_an_arrow_that_others_stand_for_is_not_drawn() -> None:
    arrows = {"cli": {"stages": 1, "base": 9}, "stages": {"base": 3}, "base": {}}
    assert needed_arrows(arrows) == [("cli", "stages"), ("stages", "base")]
    drawn = as_mermaid(House([["cli"], ["stages"], ["base"]], arrows, {}, ["gonogo.base.x → gonogo.cli.y"], []))
    assert "  cli --> stages\n" in drawn and "cli --> base" not in drawn and "3 arrows, 1 imports upwards" in drawn


def test_the_page_is_filled_between_its_markers_and_nowhere_else() -> None:
    page = "before\n<!-- house: made by `make house` -->\nold\n<!-- end of house -->\nafter\n"
    made = filled(page, {"house": "new"}, "house")
    assert made == "before\n<!-- house: made by `make house` -->\n\nnew\n\n<!-- end of house -->\nafter\n"
    with pytest.raises(ValueError, match="tables"):
        filled(page, {"tables": "new"}, "house")


# module → import that it may not have, the contract that this breaks, and how the linter shows it
WRONG_IMPORTS = {
    "base/units.py": ("import gonogo.cli.main", "rooms import downwards only", "gonogo.base.units -> gonogo.cli.main"),
    "base/text.py": ("import snakemake", "no experiment and no Snakemake", "gonogo.base.text -> snakemake"),
    "learning/trend.py": (
        "if False:\n    import experiments.eeg.data", "no experiment and no Snakemake",
        "gonogo.learning.trend -> experiments.eeg.data",
    ),
    "base/files.py": ("from gonogo.base import locks", "in a circle", "No cycles are allowed in gonogo.base."),
}  # fmt: skip


@pytest.fixture(scope="module")
def linted(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy in which every contract is broken."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("gonogo", "experiments"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "pyproject.toml", copy)
    (copy / "gonogo/base/locks.py").write_text("import gonogo.base.files\n")
    for file, (line, *_) in WRONG_IMPORTS.items():
        with (copy / "gonogo" / file).open("a") as module:
            module.write(f"\n{line}\n")
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"], cwd=copy, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode == 1, done.stdout
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("file", WRONG_IMPORTS)
def test_a_wrong_import_breaks_its_contract(file: str, linted: str) -> None:
    _, contract, arrow = WRONG_IMPORTS[file]
    assert f"{contract} BROKEN" in linted and arrow in linted, linted


def test_the_floors_are_those_of_the_contract(house: House) -> None:
    assert house.floors == layers() and summary(house).startswith(f"{len(house.rooms)} rooms on {len(house.floors)}")


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_class_name_means_two_things() -> None:
    defined: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for name in re.findall(r"^ *class (\w+)", path.read_text(), re.MULTILINE):
            defined[name].append(shown(path))
    twice = {name: paths for name, paths in defined.items() if len(paths) > 1 and name not in SHARED_NAMES}
    assert twice == {}


def test_a_module_is_about_one_idea() -> None:
    lines = {shown(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_no_stage_imports_torch_before_its_work_begins(root: Path) -> None:
    """It would count as the chain's overhead, and stages that do not train would wait for it."""
    names = [path.stem for path in (root / "workflow/scripts").glob("*.py")]
    code = f"import sys; {'; '.join(f'import gonogo.stages.{name}' for name in names)}; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=LIMIT_S
    )
    assert done.stdout == "False\n"
