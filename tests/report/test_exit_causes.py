from __future__ import annotations

from gonogo.agent import exit_cause
from gonogo.remote import answers
from gonogo.remote.answers import Exit, read
from gonogo.report.exit_causes import CAUSES, why


def test_every_cause_that_the_agent_gives_has_words() -> None:
    assert {*exit_cause.CAUSES, "unknown"} == {*CAUSES, "finished"} == set(answers.CAUSES)
    attempts = [{"cause": "oom"}] * 3
    ended = {"cause": "oom", "signal": None, "code": 1, "elapsed_s": 1, "usd": 0, "attempts": attempts}
    assert why(read(Exit, ended, "box")) == "it ran out of memory, with every smaller plan (exit code 1, attempt 3)."
