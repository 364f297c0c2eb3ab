"""`gonogo check` as a function: both passes over a script, and the verdict about it."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.load import load_accelerator
from gonogo.script.card.facts import CardFacts
from gonogo.script.card.judge import judge as judge_card
from gonogo.script.card.vary import check_of, largest_batch, with_value
from gonogo.script.check import LIMIT_S, STEPS, CheckRequest, CheckRun, Report, Say, pass_request, run_check
from gonogo.script.command import read_command
from gonogo.script.endings import explain
from gonogo.script.processor.facts import ProcessorFacts
from gonogo.script.processor.judge import judge as judge_processor
from gonogo.script.verdict import LossSteps, ScriptVerdict, script_verdict
from gonogo.verdict import Check, Status

SHOWN = 5  # names of files


def check_script(
    command: str | Sequence[str],
    card: str = "h200",
    *,
    folder: str | Path = ".",
    steps: int = STEPS,
    minutes: float = LIMIT_S / 60,
    rehearse_with: str | Sequence[str] = (),
    vary: str = "",
    say: Say = lambda kind, line: None,
    report: Report = lambda steps, seconds: None,
) -> ScriptVerdict:
    """What `gonogo check -- COMMAND` prints, as a value.

    Args:
        command: that trains, as typed: `python train.py --batch-size 32`. Nothing of it is changed.
        card: name in accelerators.yaml.
        folder: where the command is run.
        steps: optimizer steps that the pass on the processor waits for.
        minutes: limit of each pass.
        rehearse_with: arguments that only the pass on the processor gets as well, for smaller shapes.
        vary: an argument with {} in the place of its number: the largest that the card holds is searched.
        say: called with a pass and a line that the script printed in it, from two threads.
        report: called every two seconds with the steps that each pass has reached, and the time.

    Raises:
        UserError: there is no such card, or the command runs no Python script.
    """
    accelerator = load_accelerator(Path("config"), card)
    if steps < 1 or minutes <= 0:
        raise UserError(f"steps {steps}, minutes {minutes:g}: both must be above 0")
    words = _words(command)
    if vary:
        with_value(read_command(words, Path(folder)), vary, 1)  # refused before anything runs
    request = CheckRequest(
        words=words, folder=Path(folder), card=accelerator, steps=steps, limit_s=60 * minutes,
        rehearse_with=_words(rehearse_with),
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="gonogo-check-") as work:
        run = run_check(request, Path(work), say, report)
        more = [_largest(vary, request, run, Path(work) / "vary", accelerator, say)] if vary else []
        return judged(run, shlex.join(words), accelerator, more)


def _largest(
    argument: str, request: CheckRequest, run: CheckRun, work: Path, accelerator: Accelerator, say: Say
) -> Check:
    work.mkdir()
    asked = pass_request(request, run.command, "card", work)
    return check_of(largest_batch(argument, asked, accelerator, work, lambda line: say("card", line)), accelerator)


def judged(run: CheckRun, command: str, accelerator: Accelerator, more: Sequence[Check] = ()) -> ScriptVerdict:
    """The verdict about what both passes left.

    Args:
        more: checks for the memory part.
    """
    seen = run.passed["processor"].facts(ProcessorFacts)
    traced = run.passed["card"].facts(CardFacts)
    processor = judge_processor(seen)
    memory = judge_card(traced, run.passed["card"].folder, accelerator)
    ended = None if seen.steps or processor.cause else explain(seen)
    checks = [*memory.checks, *more]
    full = any(check.status is Status.NO_GO for check in checks)
    return script_verdict(
        {"data": processor.data, "wiring": processor.wiring, "learning": processor.learning, "memory": checks},
        [*filter(None, [processor.cause]), *(["MEMORY"] if full else [])],
        command,
        accelerator.title,
        seconds=run.seconds,
        steps={"card": traced.steps, "processor": seen.steps},
        summary=f"the script was not seen to train: {ended.why}" if ended else "",
        notes=list(dict.fromkeys([*_written(run), *seen.notes, *traced.notes, *traced.guesses])),
        cards=memory.cards,
        stages=traced.stages,
        cost=memory.cost,
        curves=[LossSteps(where=one.where, steps=one.steps, losses=one.values) for one in seen.losses],
    )


def _written(run: CheckRun) -> list[str]:
    """Said where the overlay could not prevent it: a program that the script starts, or a library below Python."""
    if not run.changed:
        return []
    more = f" and {len(run.changed) - SHOWN} more" if len(run.changed) > SHOWN else ""
    return [f"changed in the repository while the script ran: {', '.join(run.changed[:SHOWN])}{more}"]


def _words(command: str | Sequence[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else list(command)
