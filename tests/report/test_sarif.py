"""A verdict as SARIF 2.1.0, held against what the standard and GitHub's code scanning ask for."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from gonogo.report.sarif import to_sarif
from gonogo.verdict import Check, Status, decide

CHECKS = [
    Check(id="dark", title="Brightness", value=0.02, threshold=">= 0.1", status=Status.NO_GO, why="black", hint="Look",
          evidence=["a b.png", "gone.png"]),
    Check(id="zeroed", title="Gradients", value=3, status=Status.CAUTION, why="never zeroed (code/train.py:12)"),
    Check(id="size", title="Size \x1b[31m", status=Status.UNKNOWN, why="not measured"),
    Check(id="copies", title="Copies", value=0, status=Status.GO),
]  # fmt: skip


def sarif(folder: Path, subject: Path) -> dict[str, Any]:
    verdict = decide(CHECKS, gate="quality", experiment="data/", measured_at=dt.datetime.now(dt.UTC), inputs_digest="")
    found: dict[str, Any] = json.loads(to_sarif(verdict, subject, folder))
    return found


def test_what_does_not_pass_is_a_result_at_its_place(tmp_path: Path) -> None:
    data = tmp_path / "data é"
    (data / "code").mkdir(parents=True)
    (data / "a b.png").touch()
    (data / "code/train.py").touch()
    found = sarif(tmp_path, data)
    assert found["$schema"].endswith("sarif-2.1.0.json") and found["version"] == "2.1.0"
    (run,) = found["runs"]
    rules, results = run["tool"]["driver"]["rules"], run["results"]
    assert run["tool"]["driver"]["name"] == "gonogo"
    assert [rule["id"] for rule in rules] == [f"quality/{check.id}" for check in CHECKS]
    assert all(rule["shortDescription"]["text"] and rule["help"]["text"] for rule in rules)
    assert [(one["ruleId"], one["level"]) for one in results] == [
        ("quality/dark", "error"), ("quality/zeroed", "note"), ("quality/size", "warning"),
    ]  # fmt: skip
    assert [rules[one["ruleIndex"]]["id"] for one in results] == [one["ruleId"] for one in results]
    assert results[0]["message"]["text"] == "Brightness: 0.02. black. Look."
    assert "\x1b" not in results[2]["message"]["text"]
    places = [place["physicalLocation"] for one in results for place in one["locations"]]
    assert [(place["artifactLocation"]["uri"], place["region"]["startLine"]) for place in places] == [
        ("data%20%C3%A9/a%20b.png", 1), ("data%20%C3%A9/code/train.py", 12), ("data%20%C3%A9", 1),
    ]  # fmt: skip


def test_what_lies_outside_the_repository_has_an_address_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (script := tmp_path / "other.py").touch()
    (result, *_) = sarif(tmp_path / "repository", script)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == script.resolve().as_uri()
