"""The fake pass over scripts of different making: how far it gets, what it assumes, what it says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.script.card.runs import over


def test_a_script_s_habits_with_a_card_pass_as_on_a_real_one(tmp_path: Path) -> None:
    seen = over("habits.py", tmp_path, steps=50)
    facts = seen.facts
    assert "all habits" in seen.printed, seen.printed
    assert facts.error is None and facts.untraceable == "" and facts.steps == 3 and facts.autocast == "float16"
    assert [guess.split(", ", 1)[1] for guess in facts.guesses] == [
        "a mask: it was assumed to select all elements", "nonzero: all elements were assumed to be",
    ]  # fmt: skip
    assert any("torch.compile" in note for note in facts.notes)
    assert any("habits.py" in note and "stand-ins between 0.5 and 1" in note for note in facts.notes)


def test_validation_checkpoint_and_resume_are_reached_and_have_their_own_peaks(tmp_path: Path) -> None:
    seen = over("plain.py", tmp_path, "--out", str(tmp_path / "c.pt"), "--samples", "3200", "--resume", steps=4)
    stages = {stage.name: stage for stage in seen.facts.stages}
    assert seen.facts.ending == "enough" and seen.facts.steps < 400
    assert all(stages[name].reached for name in ("first step", "steady step", "validation", "checkpoint"))
    peaks = {name: stage.live_bytes or 0 for name, stage in stages.items()}
    assert peaks["checkpoint"] < peaks["validation"] < peaks["steady step"]
    assert not stages["resume"].reached and stages["resume"].why_not
    again = over("plain.py", tmp_path / "again", "--out", str(tmp_path / "d.pt"), "--resume", steps=50)
    assert again.facts.stage("resume").reached and again.facts.error is None


def test_length_and_work_of_a_run_are_counted(tmp_path: Path) -> None:
    seen = over("plain.py", tmp_path, "--out", str(tmp_path / "c.pt"), "--samples", "256", "--batch", "64", steps=3)
    facts = seen.facts
    assert facts.total_steps == 8 and "epochs 2 × 4 batches" in facts.total_steps_from
    assert facts.work is not None and facts.work.backward_passes == 1
    tokens, forward = 64 * 32, 2 * (3 * 64 * 64 + 64 * 64 + 2 * 64 * 128 + 64 * 256)
    assert facts.work.flop["fp32"] == pytest.approx(3 * tokens * forward, rel=0.15)  # attention itself beside it


def test_two_networks_are_both_seen_before_the_pass_hurries(tmp_path: Path) -> None:
    seen = over("adversarial.py", tmp_path, steps=2)
    assert seen.facts.error is None and seen.facts.optimizers == ["Adam"] and seen.facts.steps >= 2


def test_the_state_of_accelerate_is_a_checkpoint(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    seen = over("accelerated.py", tmp_path, str(tmp_path / "state"), steps=3)
    assert seen.facts.error is None and seen.facts.stage("checkpoint").reached
    assert seen.facts.stage("validation").reached


def test_what_cannot_be_traced_ends_the_pass_with_its_reason(tmp_path: Path) -> None:
    seen = over("untraceable.py", tmp_path, steps=3)
    assert "aten._nested" in seen.facts.untraceable or "repeat_interleave" in seen.facts.untraceable
    assert "Traceback" not in "".join(seen.printed) and seen.facts.error is None
