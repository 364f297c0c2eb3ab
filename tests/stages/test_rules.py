"""One name for each stage: its rule, its script, its module and its test."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

# modules that several stages use, and what runs on the machine, at the end of an invocation or by a command
SHARED = {
    "approval", "conclude", "critical_items", "existing_data", "freshness", "generate", "held", "held_limit",
    "held_machines", "kept_files", "local_log", "log_watcher", "machine", "machine_bill", "monitoring", "page",
    "preflight", "remote_run", "rent", "rent_fit", "rent_order", "run_news", "run_progress", "run_record", "run_terms",
    "sent_parts", "shared_data", "sweep_rows", "tell", "train", "transfers", "ways_to_go",
}  # fmt: skip
RULES = "\n".join(file.read_text() for file in sorted((ROOT / "workflow/rules").glob("*.smk")))
NAMES = re.findall(r"^(?:rule|checkpoint) (\w+):", RULES, re.M)
# the rules `judge_GATE` are one stage
STAGES = sorted({"judge" if name.startswith("judge_") else name for name in NAMES})


def names(folder: str) -> set[str]:
    return {file.stem for file in (ROOT / folder).glob("*.py") if file.stem != "__init__"}


def test_rules_scripts_modules_and_tests_are_the_same() -> None:
    assert names("workflow/scripts") == set(STAGES)
    assert names("gonogo/stages") == {*STAGES, *SHARED} and not SHARED & set(STAGES)
    tested = {name.removeprefix("test_") for name in names("tests/stages") - {"conftest", "test_rules"}}
    assert tested >= set(STAGES) and tested <= {*STAGES, *SHARED}


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_runs_its_own_script(name: str) -> None:
    block = re.split(r"^(?:rule|checkpoint) ", RULES.split(f" {name}:\n", 1)[1], maxsplit=1, flags=re.M)[0]
    script = "judge" if name.startswith("judge_") else name
    assert re.findall(r'"\.\./scripts/(\w+)\.py"', block) == [script]


@pytest.mark.parametrize("name", STAGES)
def test_a_script_is_four_lines_and_calls_its_stage(name: str) -> None:
    lines = [line for line in (ROOT / f"workflow/scripts/{name}.py").read_text().splitlines() if line]
    assert lines[:3] == [
        "from gonogo.runtime.stage import stage",
        f"from gonogo.stages.{name} import {name}",
        "with stage(snakemake) as run:",
    ]
    call = re.fullmatch(rf"    {name}\(run, snakemake.input, snakemake.output(, snakemake.params)?\)", lines[3])
    assert call and len(lines) == 4
    function = getattr(importlib.import_module(f"gonogo.stages.{name}"), name)
    arguments = list(function.__annotations__)[:-1]
    assert arguments == ["run", "inputs", "outputs", *(["params"] if call[1] else [])]


def test_below_the_stages_nothing_takes_a_run() -> None:
    """Nor imports it: what needs the whole of a run's context is a stage."""
    users = []
    for path in (ROOT / "gonogo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "gonogo.runtime.context":
                users.append(path.relative_to(ROOT / "gonogo"))
    assert {user.parts[0] for user in users} == {"stages", "runtime"}
    assert [user for user in users if user.parts[0] == "runtime"] == [Path("runtime/stage.py")]
