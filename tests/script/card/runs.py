"""The fake pass over the small scripts of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gonogo.memory.trace_result import Traced
from gonogo.script.card.facts import CardFacts
from gonogo.script.passes import run_pass
from gonogo.script.request import PassRequest, ScriptCommand

SCRIPTS = Path(__file__).parent / "scripts"
LIMIT_S = 120


@dataclass
class Seen:
    """What a pass left."""

    facts: CardFacts
    traced: Traced
    printed: list[str]


def over(script: str, folder: Path, *arguments: str, steps: int = 2, **changes: Any) -> Seen:
    """The pass over one of the scripts, in a folder of its own."""
    out = folder / "pass"
    out.mkdir(parents=True)
    path = str(SCRIPTS / script)
    command = ScriptCommand(words=[path, *arguments], path=path, arguments=list(arguments))
    asked = {"kind": "card", "folder": SCRIPTS, "scratch": folder, "steps": steps, "limit_s": LIMIT_S} | changes
    printed: list[str] = []
    passed = run_pass(PassRequest(command=command, **asked), out, printed.append)
    facts = passed.facts(CardFacts)
    assert facts.ending != "killed", printed
    return Seen(facts, Traced.load(out), printed)
