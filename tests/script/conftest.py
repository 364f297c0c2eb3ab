"""Scripts that are run under a plain pass, in a folder of their own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gonogo.script import passes
from gonogo.script.command import read_command
from gonogo.script.facts import PassFacts
from gonogo.script.request import PassName, PassRequest
from tests.conftest import ROOT


@dataclass
class Ran:
    """What a pass left: its facts, what it printed, the script's folder and the pass's scratch."""

    facts: PassFacts
    lines: list[str]
    folder: Path
    scratch: Path


Run = Callable[..., Ran]


@pytest.fixture
def run_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Writes a script as train.py, runs it as `words` say under a plain pass, and returns what was left."""
    monkeypatch.setattr(passes, "CHILD", ("-m", "tests.script.plain_child"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    folder = tmp_path / "repository"
    folder.mkdir()

    def run(text: str, words: str = "python train.py", kind: PassName = "processor", limit_s: float = 60) -> Ran:
        (folder / "train.py").write_text(textwrap.dedent(text))
        work = tmp_path / f"work{len(list(tmp_path.iterdir()))}"
        out, scratch = work / kind, work / "scratch"
        out.mkdir(parents=True)
        scratch.mkdir()
        request = PassRequest(
            kind=kind,
            command=read_command(words.split(), folder),
            folder=folder,
            scratch=scratch,
            steps=2,
            limit_s=limit_s,
        )
        lines: list[str] = []
        passed = passes.run_pass(request, out, lines.append)
        return Ran(passed.facts(PassFacts), lines, folder, scratch)

    return run
