"""Which events of a chain are sent to people, in which words; `gonogo.notify` sends each once."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from gonogo.base.digests import digest
from gonogo.base.units import dollars, duration
from gonogo.config.load import Settings
from gonogo.notify.notice import Event, Notice, notice
from gonogo.notify.told import problems, tell
from gonogo.remote.answers import Exit
from gonogo.report import wording
from gonogo.report.exit_causes import cause_words
from gonogo.runtime.context import Run
from gonogo.runtime.session import session_name
from gonogo.verdict import Verdict

APPROVAL = "approval"  # the check of the launch gate that asks for a person
PICTURES = (".png", ".jpg", ".webp")
WAIT_AT_THE_END_S = 6.0


def stopped(run: Run, verdict: Verdict, folder: Path) -> None:
    """By a gate, or by a person who has not approved yet; again only where it is another finding.

    Args:
        folder: the gate's.
    """
    with contextlib.suppress(Exception):
        failed = verdict.failed
        waits = [check.id for check in failed] == [APPROVAL]
        key = [verdict.experiment, verdict.mode, verdict.gate, verdict.scope, verdict.status, verdict.inputs_digest]
        light = "✋ approval wanted" if waits else f"{verdict.status.light} {verdict.status.label}"
        told = notice(
            "approval" if waits else "no_go",
            f"{light} {wording.about(verdict)}",
            _sentence(verdict),
            hint=next((check.hint for check in failed if check.hint), ""),
            experiment=run.experiment,
            mode=run.mode or run.config.mode,
            picture=_picture(run, verdict, folder, sample=waits),
        )
        _tell(run.settings, told, "stopped", *key, *sorted(check.id for check in failed))


def launched(run: Run, run_id: str, *, again: bool = False) -> None:
    """A paid run was started, or (`again`) resumed from its checkpoint."""
    price, hours = run.target.usd_per_hour, run.target.max_hours
    bound = f"; it ends by {dollars(run.config.budget_usd)} or {duration(3600 * hours)}" if price else ""
    what = "resumed" if again else "started"
    sentence = f"The paid run {run_id} was {what} on {run.config.target}, at {dollars(price)} an hour{bound}."
    of_run(run, "launch", f"🚀 {what}", sentence, run_id, *([session_name()] if again else []))


def ended(run: Run, run_id: str, exit_: Exit) -> None:
    """A paid run, however it ended."""
    took = f"after {duration(exit_.elapsed_s)} and {dollars(exit_.elapsed_s / 3600 * run.target.usd_per_hour)}"
    if exit_.cause == "finished":
        of_run(run, "end", "🏁 trained", f"The paid run {run_id} finished {took}.", run_id, "finished")
        return
    sentence = f"The paid run {run_id} {cause_words(exit_)} {took}; what there is of it is fetched."
    of_run(run, "end", "🔴 the run ended", sentence, run_id, exit_.cause, len(exit_.attempts), session_name())


def reported(run: Run, verdict: Verdict, page: Path) -> None:
    """The chain is at its end.

    Args:
        verdict: of the results.
    """
    with contextlib.suppress(Exception):
        told = notice(
            "end",
            f"{verdict.status.light} {verdict.status.label} {run.experiment} · {run.mode}: the chain is at its end",
            _sentence(verdict),
            hint=f"The page: {page}",
            experiment=run.experiment,
            mode=run.mode,
            picture=_picture(run, verdict, run.paths.results),
        )
        _tell(run.settings, told, "reported", run.experiment, run.mode, verdict.inputs_digest)


def alarm(settings: Settings, words: str) -> None:
    """A machine may bill on; sent once in each invocation."""
    with contextlib.suppress(Exception):
        told = notice(
            "alarm",
            f"🚨 ALARM: a machine of target {settings.config.target} may bill on",
            words,
            hint="Run: gonogo release, or destroy it in your provider's console",
        )
        _tell(settings, told, "alarm", settings.config.target, session_name(), os.getpid())


def not_told(settings: Settings) -> list[str]:
    """What this invocation could not tell, one line each."""
    if not settings.config.notify:
        return []
    return problems(settings.config.results_dir, session_name(), WAIT_AT_THE_END_S)


def of_run(run: Run, event: Event, title: str, sentence: str, run_id: str, *key: object, hint: str = "") -> None:
    """Tell an event of a paid run, once for its name and what else is its key."""
    with contextlib.suppress(Exception):
        told = notice(
            event, f"{title} · {run.experiment} · {run.mode}", sentence, hint=hint, experiment=run.experiment,
            mode=run.mode,
        )  # fmt: skip
        _tell(run.settings, told, event, run_id, *key)


def _tell(settings: Settings, told: Notice, *key: object) -> None:
    tell(
        settings.config.notify,
        told,
        key=digest(*map(str, key))[:16],
        results=settings.config.results_dir,
        root=settings.root,
        session=session_name(),
    )


def _sentence(verdict: Verdict) -> str:
    """The verdict's own, after what it means where a cause is known."""
    return " ".join(
        wording.unique(re.sub(r"([^.…])$", r"\1.", text) for text in (wording.headline(verdict), verdict.summary))
    )


def _picture(run: Run, verdict: Verdict, folder: Path, *, sample: bool = False) -> Path | None:
    """The gate's contact sheet, or what its checks show; the sample's, where that is to be approved."""
    evidence = [Path(path) for path in wording.evidence_paths(verdict)]
    sheets = [run.paths.experiment / "quality/sample/contact_sheet.png"] if sample else []
    found = [*sheets, folder / "contact_sheet.png", *evidence]
    return next((path for path in found if path.suffix in PICTURES and path.is_file()), None)
