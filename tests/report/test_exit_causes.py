from __future__ import annotations

from pathlib import Path

from gonogo.remote import agent, answers
from gonogo.remote.answers import Exit, read
from gonogo.report.exit_causes import CAUSES, why


def test_every_cause_that_the_agent_gives_has_words() -> None:
    text = Path(agent.__file__).read_text()
    given = {*agent.ENDED_AS.values(), "oom", "killed", "aborted", "failed", "stalled", "stopped", "agent_lost"}
    given |= {cause for cause in ("over_time", "over_cost", "lease_lost") if f'return "{cause}"' in text}
    assert given | {"unknown"} == {*CAUSES, "finished"} == set(answers.CAUSES)
    attempts = [{"cause": "oom"}] * 3
    ended = {"cause": "oom", "signal": None, "code": 1, "elapsed_s": 1, "usd": 0, "attempts": attempts}
    assert why(read(Exit, ended, "box")) == "it ran out of memory, with every smaller plan (exit code 1, attempt 3)."
