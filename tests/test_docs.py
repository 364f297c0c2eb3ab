"""The pages say what the code does: links live, named tests exist, gates and folders are all there."""

from __future__ import annotations

import ast
import fnmatch
import os
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gonogo.base.models import StrictModel
from gonogo.cli.main import COMMANDS
from gonogo.config.gate_thresholds import Gates
from gonogo.config.quality_thresholds import QualityGate
from gonogo.experiment.lightning import LightningExperiment
from gonogo.gates import registry
from tests.conftest import ROOT

LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?\)")
TEST = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")
CAPABILITIES = 149


@cache
def ignored() -> list[str]:
    """Names of folders that are made, not written; and git's own."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    return [".git", *(line.strip("/") for line in lines if line.endswith("/"))]


def written(names: list[str]) -> list[str]:
    return sorted(name for name in names if not any(fnmatch.fnmatch(name, pattern) for pattern in ignored()))


def pages() -> Iterator[Path]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = written(folders)
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".md"))


PAGES = [path.relative_to(ROOT).as_posix() for path in pages()]


def read(page: str) -> str:
    return (ROOT / page).read_text()


def prose(page: str) -> str:
    """The page without code, in which brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", read(page), flags=re.DOTALL))


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub names them."""
    kept = set(string.punctuation) - set("-_")
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), flags=re.MULTILINE)
    return {"".join(c for c in heading.lower() if c not in kept).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_no_link_is_dead(page: str) -> None:
    dead = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            dead.append(target)
    assert dead == []


@cache
def functions_in(file: str) -> set[str]:
    """Names of a test file's functions; none for a file that is not there."""
    path = ROOT / file
    tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    assert [f"{file}::{name}" for file, name in TEST.findall(read(page)) if name not in functions_in(file)] == []


def capabilities() -> list[list[str]]:
    rows = [line.strip("| ").split(" | ") for line in read("docs/capabilities.md").splitlines()]
    return [row for row in rows if row[0].isdigit()]


def test_every_capability_has_a_row_with_a_way_to_it_and_a_proof() -> None:
    rows = capabilities()
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1)) and len(rows) >= CAPABILITIES
    assert [row for row in rows if len(row) != 5 or not TEST.search(row[4])] == []


@cache
def sources() -> str:
    """Of the workflow's rules, and of what they call: where the name of every file that is made stands."""
    files = [
        *(ROOT / "workflow").rglob("*.smk"),
        *(ROOT / "gonogo").rglob("*.py"),
        *(ROOT / "experiments").rglob("*.py"),
    ]
    return "\n".join(file.read_text() for file in files if file.suffix in (".py", ".smk"))


def is_there(way: str) -> bool:
    """Whether a command, a key (`modes:`) or a file of the workflow exists."""
    program, *words = way.split()
    if program == "gonogo":
        return words[0] in COMMANDS
    if program == "snakemake":
        return all((ROOT / f"config/experiments/{word[12:]}.yaml").exists() for word in words if "experiments=" in word)
    if program == "python":
        return (ROOT / f"{words[1].replace('.', '/')}.py").exists()
    if way.endswith(":") or ("/" not in way and "." not in way):
        return f"`{way.rstrip(':')}" in read("config/README.md")
    name = way.rpartition("/")[2]
    return name.isupper() or (ROOT / way).exists() or (ROOT / "config" / way).exists() or name in sources()


def test_what_a_capability_is_reached_by_exists() -> None:
    ways = {(row[0], way) for row in capabilities() for way in re.findall("`([^`]+)`", row[3])}
    assert {row for row, _ in ways} == {row[0] for row in capabilities()}
    assert sorted(found for found in ways if not is_there(found[1])) == []
    assert not is_there("gonogo dream") and not is_there("nothing:") and not is_there("dream/verdicts.json")


def section_of(gate: str) -> str:
    """The part of docs/gates.md under the heading that names the gate."""
    parts = re.split(r"^## ", read("docs/gates.md"), flags=re.MULTILINE)
    found = [part for part in parts if f"`{gate}`" in part.splitlines()[0]]
    assert len(found) == 1, f"docs/gates.md has {len(found)} headings that name `{gate}`"
    return found[0]


def thresholds(gate: StrictModel) -> Iterator[tuple[str, str]]:
    """Key and default, as the page writes them."""
    for name, value in gate:
        if isinstance(value, tuple):
            yield name, "-".join(f"{bound:g}" for bound in value)
        elif not isinstance(value, (dict, StrictModel)):
            yield name, str(value).lower() if isinstance(value, (str, bool)) else f"{value:g}"


@pytest.mark.parametrize("gate", [gate.path for gate in registry.GATES])
def test_every_gate_is_described_with_its_defaults(gate: str) -> None:
    section, defaults = section_of(gate), getattr(Gates(), gate.partition("/")[0])
    missing = [f"`{name}` {value}" for name, value in thresholds(defaults)]
    assert [text for text in missing if not re.search(re.escape(text) + r"(?![\d.]*\d)", section)] == []


KINDS = [name for name, value in QualityGate() if isinstance(value, StrictModel)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_is_described_with_its_defaults(kind: str) -> None:
    page = re.split(r"^#+ ", read("docs/gates.md"), flags=re.MULTILINE)
    (section,) = [part for part in page if part.lower().startswith(f"{kind}\n")]
    for name, value in getattr(QualityGate(), kind):
        said = f"`{name}` {value:g}" if type(value) in (int, float) else f"`{name}`"
        assert re.search(re.escape(said) + r"(?![\d.]*\d)", section), f"{said} is not in the section on {kind}"


def test_the_house_names_every_folder() -> None:
    house = read("docs/architecture.md").split("\n## ")[1]
    top = written([path.name for path in ROOT.iterdir() if path.is_dir() and any(path.iterdir())])
    top = [name for name in top if not name.startswith(".") or name in (".ci", ".github")]  # editors have folders, too
    assert [name for name in top if not re.search(rf"^{re.escape(name)}/? +\w", house, re.MULTILINE)] == []
    packages = written([path.name for path in (ROOT / "gonogo").iterdir() if path.is_dir()])
    assert [name for name in packages if not re.search(rf"^  {name}/ ", house, re.MULTILINE)] == []


def test_the_skeleton_of_an_experiment_fulfils_the_contract() -> None:
    (skeleton,) = re.findall(r"```python\n(.*?)```", read("docs/experiments.md"), flags=re.DOTALL)
    names: dict[str, Any] = {"__name__": "skeleton"}
    exec(skeleton, names)
    assert issubclass(names["Mine"], LightningExperiment)
    assert names["Mine"].__abstractmethods__ == frozenset()
