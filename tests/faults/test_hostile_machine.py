"""A machine that lies to every command in every way: words, little memory, little time, and nothing outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.hostile import lied_to
from gonogo.agent import __main__ as agent
from gonogo.config.target import Ssh
from gonogo.remote import embedded_server
from tests.faults import lying_agent
from tests.faults.lying_agent import LIES

MEMORY_BYTES, SECONDS = 300_000_000, 30.0  # of work; a busy machine may take five times that
QUICK = ("closed lists", "name: escapes", "frame: executable")
CASES = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in LIES]


def test_every_command_of_the_agent_is_lied_to() -> None:
    assert {*agent.COMMANDS, *agent.STREAMS} <= set(lying_agent.COMMANDS)


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ssh]:
    folder = tmp_path_factory.mktemp("machine")
    yield embedded_server.ensure(folder, os.getpid())
    embedded_server.stop(folder)


@pytest.mark.parametrize("lie", CASES)
def test_a_lie_ends_in_words_in_little_memory_and_writes_nothing_outside(lie: str, ssh: Ssh, tmp_path: Path) -> None:
    before = {path.name for path in Path("/tmp").glob("gonogo-evil*")}
    asked, peak_bytes = lied_to(lie, ssh, tmp_path)
    assert [one["fault"] for one in asked if one["fault"]] == []
    unsafe = [one for one in asked if not one["said"].replace("\n", "").isprintable() or len(one["said"]) > 8000]
    assert unsafe == []
    assert [one for one in asked if one["cpu_s"] > SECONDS or one["seconds"] > 5 * SECONDS] == []
    assert peak_bytes <= MEMORY_BYTES, f"{peak_bytes / 1e6:.0f} MB"
    assert {path.name for path in tmp_path.iterdir()} == {"python", "here", "root"}
    assert {path.name for path in (tmp_path / "here").iterdir()} <= {
        "data", "requirements.txt", "checkpoints", "saved", "archive",
    }  # fmt: skip
    written = [path for path in (tmp_path / "here").rglob("*") if path.is_file() or path.is_symlink()]
    assert [path for path in written if "evil" in path.name and path.suffix != ".ckpt"] == []
    assert [path for path in written if path.is_symlink() or path.stat().st_mode & 0o111] == []
    assert {path.name for path in Path("/tmp").glob("gonogo-evil*")} == before
