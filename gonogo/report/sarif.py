"""A verdict as SARIF 2.1.0, which code scanning shows beside the code: a result for each check that is not GO."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gonogo.base.text import clean
from gonogo.report.wording import measured
from gonogo.verdict import Check, Status, Verdict

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Status.NO_GO: "error", Status.UNKNOWN: "warning", Status.CAUTION: "note"}
LINE_OF_CODE = re.compile(r"([\w./-]+\.py):(\d+)")
MOST_PLACES = 10  # of a result


def to_sarif(verdict: Verdict, subject: Path, root: Path) -> str:
    """One run of one tool. NO-GO is an error, UNKNOWN a warning, CAUTION a note; what is grey is left out.

    Args:
        subject: what was judged, a script or a folder of data; where a check names no file of it, its place.
        root: folder that the places are relative to: the repository's.
    """
    rules = [_rule(verdict, check) for check in verdict.checks]
    results = [
        {
            "ruleId": rule["id"], "ruleIndex": index, "level": LEVELS[check.status], "message": {"text": _said(check)},
            "locations": list(_locations(check, subject, root)),
        }
        for index, (rule, check) in enumerate(zip(rules, verdict.checks, strict=True))
        if check.status in LEVELS and not check.grey
    ]  # fmt: skip
    driver = {"name": "gonogo", "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(verdict: Verdict, check: Check) -> dict[str, Any]:
    asked = clean(check.threshold)
    return {
        "id": f"{verdict.gate}/{check.id}",
        "shortDescription": {"text": clean(check.title)},
        "help": {"text": f"Required: {asked}" if asked else clean(check.title)},
    }


def _said(check: Check) -> str:
    said = [f"{check.title}: {measured(check)}", check.why, check.hint]
    return ". ".join(clean(text).rstrip(".") for text in said if text) + "."


def _locations(check: Check, subject: Path, root: Path) -> Iterator[dict[str, Any]]:
    """Lines of code that it names, else files that show it, else the subject."""
    folder = subject if subject.is_dir() else subject.parent
    lines = dict(LINE_OF_CODE.findall(check.why))
    places = {folder / name: int(line) for name, line in lines.items() if (folder / name).is_file()}
    places = places or {folder / name: 1 for name in check.evidence if (folder / name).is_file()}
    for path, line in list((places or {subject: 1}).items())[:MOST_PLACES]:
        yield {"physicalLocation": {"artifactLocation": {"uri": _uri(path, root)}, "region": {"startLine": line}}}


def _uri(path: Path, root: Path) -> str:
    path, root = path.resolve(), root.resolve()
    return quote(path.relative_to(root).as_posix()) if path.is_relative_to(root) else path.as_uri()
