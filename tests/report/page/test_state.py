"""Where a chain stands, as its page says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.gates.registry import GATES
from gonogo.report.page.state import chain_state, experiments, log_tail
from gonogo.report.page.words import first_screen
from gonogo.runtime import ledger
from gonogo.verdict import Status
from tests.report.page.chains import chain, row


@pytest.mark.parametrize("gate", [gate.path for gate in GATES])
def test_lights_say_what_the_verdicts_say_and_none_after_the_one_that_stopped_the_work(
    gate: str, tmp_path: Path
) -> None:
    chain(tmp_path, gate)
    state = chain_state(tmp_path, "mine")
    reached = [light.gate.path for light in state.lights].index(gate)
    looks = ["GO"] * reached + ["NO_GO"] + ["none"] * (len(GATES) - reached - 1)
    assert [light.look for light in state.lights] == looks
    first = first_screen(state, "again")
    assert (first.word, first.look, state.mode) == ("NO-GO", "NO_GO", "fast" if GATES[reached].by_mode else "")
    assert first.steps == ["Point the cameras at the scene."] and "41.5 %" in first.why
    assert "$6.00" in first.saved and "1 h" in first.saved


def test_a_finished_chain_says_go_and_what_came_of_what_was_asked(tmp_path: Path) -> None:
    chain(tmp_path)
    first = first_screen(chain_state(tmp_path, "mine"), "look")
    assert (first.word, first.look, first.headline) == ("GO", "GO", "Every gate passed.")
    assert "Expected skill: 0.93, asked >= 0.5" in first.why


def test_a_running_stage_lights_its_gate_and_the_page_says_running_also_after_an_older_no_go(tmp_path: Path) -> None:
    chain(tmp_path, "quality/sample")
    ledger.begin(tmp_path / "ledger.sqlite", row("mine", "sample_1", outcome=ledger.RUNNING))
    (tmp_path / "mine/logs").mkdir()
    (tmp_path / "mine/logs/sample_1.log").write_text("first\n\x1b[31mitem 3 of 10\x1b[0m\r\n")
    state = chain_state(tmp_path, "mine")
    assert state.word == "RUNNING" and state.lights[1].look == "running"
    assert first_screen(state, "watch").why == "item 3 of 10"


def test_the_stage_that_writes_the_page_is_not_what_runs(tmp_path: Path) -> None:
    chain(tmp_path, "learning")
    ledger.begin(tmp_path / "ledger.sqlite", row("mine", "halt", outcome=ledger.RUNNING))
    assert chain_state(tmp_path, "mine").word == "NO-GO"


@pytest.mark.parametrize(
    ("outcome", "word", "said"),
    [("failed", "FAILED", "ended with an error"), ("interrupted", "INTERRUPTED", "was interrupted"),
     ("crashed", "CRASHED", "was killed")],
)  # fmt: skip
def test_a_chain_that_ended_half_way_says_at_which_stage_and_with_which_words(
    outcome: str, word: str, said: str, tmp_path: Path
) -> None:
    chain(tmp_path, reached="learning")
    ledger.add(tmp_path / "ledger.sqlite", row("mine", "trace_memory", outcome=outcome))
    (tmp_path / "mine/fast/logs").mkdir(parents=True)
    (tmp_path / "mine/fast/logs/trace_memory.log").write_text("looking\nKeyError: 'x'\n")
    state = chain_state(tmp_path, "mine")
    first = first_screen(state, "again")
    assert first.word == word and f"trace_memory {said}" in first.headline and first.why == "KeyError: 'x'"


def test_a_verdict_that_cannot_be_read_is_said_and_nothing_is_green(tmp_path: Path) -> None:
    folder = chain(tmp_path, reached="learning")
    (folder / "verdict.json").write_text("{")
    state = chain_state(tmp_path, "mine")
    assert state.word == "UNREADABLE" and state.status is Status.UNKNOWN
    assert str(folder / "verdict.json") in first_screen(state, "again").why


def test_only_folders_that_a_chain_left_are_experiments(tmp_path: Path) -> None:
    chain(tmp_path / "results", "generator")
    (tmp_path / "results/instance/code").mkdir(parents=True)
    (tmp_path / "results/link").symlink_to(tmp_path / "results/mine")
    assert experiments(tmp_path / "results") == ["mine"] and experiments(tmp_path / "nowhere") == []


def test_a_log_is_read_from_its_end(tmp_path: Path) -> None:
    chain(tmp_path, "generator")
    (tmp_path / "mine/logs").mkdir()
    (tmp_path / "mine/logs/sample_0.log").write_bytes(b"x" * 30_000_000 + b"\nlast \xff\n")
    assert log_tail(chain_state(tmp_path, "mine"), "sample_0")[-1] == "last �"
