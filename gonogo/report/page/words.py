"""What the first screen says: verdict, cause, what to do now, what was saved."""

from __future__ import annotations

import time
from dataclasses import dataclass

from gonogo.base.text import clean
from gonogo.base.units import dollars, duration
from gonogo.report.causes import cause_of
from gonogo.report.page.state import ChainState, Light
from gonogo.report.wording import decision, hints, measured, notable, saved, unique
from gonogo.verdict import Check, Status, Verdict

MOST_STEPS = 2  # of what to do now: the others stand with their checks
MOST_CHARACTERS = 240  # of a sentence on the first screen
EXPECTED = ("expected_", "skill")  # ids of checks of the results gate that hold a metric against what was asked


@dataclass(frozen=True)
class FirstScreen:
    """Plain text; the template escapes it."""

    word: str
    look: str
    about: str
    headline: str
    why: str
    steps: list[str]
    command: str
    saved: str


def first_screen(state: ChainState, command: str) -> FirstScreen:
    """What the first screen says.

    Args:
        command: what to run now.
    """
    headline, why, steps, kept = _said(state)
    about = " · ".join(filter(None, (clean(state.experiment), clean(state.mode), _where(state))))
    steps = [shortened(step) for step in steps[:MOST_STEPS]]
    return FirstScreen(state.word, state.look, about, shortened(headline), shortened(why), steps, command, kept)


def _where(state: ChainState) -> str:
    if state.running or state.stopped is None:
        return ""
    return f"stopped at {state.stopped.title}"


def _said(state: ChainState) -> tuple[str, str, list[str], str]:
    if state.problem:
        return "A verdict cannot be read.", state.problem, ["Delete the file, then run the same command again."], ""
    if state.running:
        return _running(state)
    if state.stopped and state.stopped.verdict:
        return _stopped(state, state.stopped, state.stopped.verdict)
    if state.finished:
        return _finished(state)
    return _half_way(state)


def _stopped(state: ChainState, light: Light, verdict: Verdict) -> tuple[str, str, list[str], str]:
    no_go = verdict.status is Status.NO_GO
    headline = cause_of(verdict).headline if no_go and verdict.cause else verdict.summary
    whys = unique([*(check.why for check in verdict.failed), verdict.summary])
    why = next((text for text in whys if text != clean(headline)), "")
    steps = hints(verdict) or [f"Look at what the {light.title} gate measured, below."]
    if verdict.saved.seconds is not None or verdict.saved.usd is not None:
        kept = f"Stopped after {_spent(state)}. Saved (estimate): {saved(verdict.saved)}."
    else:
        kept = f"Stopped after {_spent(state)}, before the {_not_reached(state)} gate and all after it."
    return sentence(headline), sentence(why), [sentence(step) for step in steps], kept


def _finished(state: ChainState) -> tuple[str, str, list[str], str]:
    overridden = [verdict for verdict in state.verdicts if verdict.override]
    doubts = [(verdict, check) for verdict in state.verdicts for check in notable(verdict)]
    obtained = "; ".join(f"{clean(it.title)}: {measured(it)}, asked {clean(it.threshold)}" for it in expected(state))
    steps = ["Look at the predictions, then at what the run left:"]
    if overridden:
        return "The run is finished; a gate was overridden.", sentence(decision(overridden[0])), steps, _cost(state)
    if not doubts:
        return "Every gate passed.", sentence(obtained or clean(state.verdicts[-1].summary)), steps, _cost(state)
    verdict, check = doubts[0]
    why = f"{verdict.title}: {clean(check.why) or clean(check.title)}"
    what = "1 check is doubtful" if len(doubts) == 1 else f"{len(doubts)} checks are doubtful"
    return f"Every gate passed; {what}.", sentence(why), steps, _cost(state)


def expected(state: ChainState) -> list[Check]:
    """What was asked of the result, metric by metric."""
    results = [verdict for verdict in state.verdicts if verdict.gate == "results"]
    return [check for verdict in results for check in verdict.checks if check.id.startswith(EXPECTED)]


def _running(state: ChainState) -> tuple[str, str, list[str], str]:
    row = state.running[-1]
    passed = sum(light.verdict is not None and light.verdict.go for light in state.lights)
    began = f"for {duration(max(0.0, time.time() - row.started_at))}"
    why = (
        state.log_tail[-1]
        if state.log_tail
        else f"Started {time.strftime('%H:%M:%S', time.gmtime(row.started_at))} UTC"
    )
    steps = ["Wait, or watch it in the terminal:"]
    return (
        f"{row.stage} has been running {began}.",
        why,
        steps,
        f"{passed} of {len(state.lights)} gates passed so far; {_spent(state)} until now.",
    )


def _half_way(state: ChainState) -> tuple[str, str, list[str], str]:
    bad = state.ended_badly
    spent = f"{_spent(state)} until here; what is finished is kept, and only the rest runs."
    if bad is None:
        reached = next((light.title for light in state.lights if light.verdict is None), "")
        headline = f"The chain has not reached the {reached} gate." if state.rows else "Nothing has run yet."
        return headline, "No stage is running.", ["Continue with the same command."], spent if state.rows else ""
    what = {"failed": "ended with an error", "interrupted": "was interrupted"}.get(bad.outcome, "was killed")
    why = next((line for line in reversed(state.log_tail) if line), "Its log is empty.")
    steps = ["Fix what the log says, then continue with the same command."]
    return (
        f"The stage {bad.stage} {what}.",
        why,
        steps if bad.outcome == "failed" else ["Continue with the same command."],
        spent,
    )


def _not_reached(state: ChainState) -> str:
    return next((light.title for light in state.lights if light.verdict is None), "last")


def _spent(state: ChainState) -> str:
    usd = sum(row.usd for row in state.rows)
    time_s = duration(sum(row.wall_s for row in state.rows))
    return f"{time_s} and {dollars(usd)}" if usd else time_s


def _cost(state: ChainState) -> str:
    usd = sum(row.usd for row in state.rows)
    return f"It took {duration(sum(row.wall_s for row in state.rows))} in all stages together, and {dollars(usd)}."


def sentence(text: str) -> str:
    """With a capital at its begin and a point at its end."""
    text = clean(text)
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?:" else ".")


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """No longer than a first screen can hold; the whole of it stands with its check."""
    if len(text) <= most:
        return text
    return text[:most].rsplit(" ", 1)[0].rstrip(",;:") + " …"
