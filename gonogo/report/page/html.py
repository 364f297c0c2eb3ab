"""The page as HTML: everything in one file, nothing asked of any other place; every text from elsewhere is escaped."""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gonogo.base.text import clean
from gonogo.base.text import shown as shown_text
from gonogo.base.units import dollars, duration, gigabytes
from gonogo.report import wording
from gonogo.report.page.approval import ApprovalForm
from gonogo.report.page.charts import meter
from gonogo.report.page.pictures import PagePicture, first_picture, proof
from gonogo.report.page.sections import Sections, sections, total
from gonogo.report.page.state import ChainState, Light
from gonogo.report.page.words import expected, first_screen, sentence
from gonogo.report.rendering import NOT_MEASURED, TEMPLATES, html_part
from gonogo.verdict import Check, Status, Verdict

GRAVITY = [*map(str, Status), "running"]  # the order of looks in a sorted table
NOTHING = Markup("")
APPROVAL = "approval"  # the check of the launch gate that asks for a person
MOST_FILES = 3  # named of a check's evidence
MOST_METERS = 4  # on the first screen, where no picture proves the finding


def chain_page(
    state: ChainState,
    command: str,
    provenance: Mapping[str, str] | None = None,
    *,
    back: bool = False,
    script: Markup = NOTHING,
    approval: ApprovalForm | None = None,
) -> str:
    """The page of an experiment in one mode, whatever state it is in.

    Args:
        command: what to run now.
        provenance: what else is known of where the results are from: name → value.
        back: a server answers the address of all experiments.
        script: for a page that a server keeps up to date.
        approval: of the sample, where a server takes it.
    """
    parts, document = sections(state), state.document
    shown, alt, drawn = _proof(state, parts)
    seen = state.running[-1] if state.running else state.ended_badly
    told = html_part(shown_text(document.read_text(errors="replace")), "story-") if document else NOTHING
    return environment().get_template("chain.html.j2").render(
        state=state, first=first_screen(state, command), parts=parts, shown=shown, shown_alt=alt, drawn=drawn,
        open_checks=_open_checks(state), expected=expected(state), counted=_counted(state), spent=total(parts.costs),
        bar=_bar(parts) if parts.memory else "", tail_of=seen.stage if seen else "", document=told,
        document_of=document.name if document else "", provenance=dict(provenance or {}), back=back,
        script=script, approval=approval, approval_asked=_asks_approval(state),
        css=Markup((TEMPLATES / "chain.css").read_text()),
    )  # fmt: skip


def _asks_approval(state: ChainState) -> bool:
    """Whether the chain waits for it."""
    return any(check.id == APPROVAL for verdict in state.verdicts for check in verdict.failed)


def overview_page(states: Sequence[ChainState], count: int, script: Markup = NOTHING) -> str:
    """Experiments as rows, each with a link to its page, which a server answers; `count` of them there are in all."""
    rows = [_overview_row(state) for state in states]
    css = Markup((TEMPLATES / "chain.css").read_text())
    return environment().get_template("overview.html.j2").render(rows=rows, count=count, script=script, css=css)


def _overview_row(state: ChainState) -> dict[str, Any]:
    """What is shown of an experiment, and what its row is sorted by."""
    last_at = max((row.started_at for row in state.rows), default=0.0)
    verdicts = [verdict.go for verdict in state.verdicts]
    return {
        "state": state, "first": first_screen(state, ""), "wall_s": sum(row.wall_s for row in state.rows),
        "usd": sum(row.usd for row in state.rows), "passed": sum(verdicts), "gravity": GRAVITY.index(state.look),
        "result": next(iter(expected(state)), None), "last_at": last_at,
        "last": time.strftime("%Y-%m-%d %H:%M", time.localtime(last_at)) if last_at else "",
    }  # fmt: skip


Proof: TypeAlias = tuple[PagePicture | None, str, Markup]  # a picture or a drawing, and the words under it


def _proof(state: ChainState, parts: Sections) -> Proof:
    """What the first screen shows."""
    if state.stopped and state.stopped.verdict and not state.running:
        return _proof_of(state, state.stopped, state.stopped.verdict, parts)
    for light in reversed([light for light in state.lights if light.verdict]):
        if light.gate.name == "learning" and parts.curves:
            return None, parts.curves[-1].title, parts.curves[-1].chart
        if picture := _picture(state, [light.folder / "contact_sheet.png"]):
            what = "Predictions for held-out items" if light.gate.name == "results" else "What was generated"
            return picture, what, NOTHING
    return None, "", Markup("<p>No picture was made yet.</p>")


def _proof_of(state: ChainState, light: Light, verdict: Verdict, parts: Sections) -> Proof:
    """Of a gate that stopped the work."""
    if verdict.gate == "learning" and (smoke := [curve for curve in parts.curves if curve.is_smoke]):
        return None, smoke[0].title, smoke[0].chart
    if verdict.gate == "memory" and parts.memory:
        return None, "What a training step needs, against the card", _bar(parts)
    if picture := _picture(state, [light.folder / "contact_sheet.png", *map(Path, wording.evidence_paths(verdict))]):
        judged = verdict.gate in ("quality", "results")
        return picture, "Worst first, each with its reason" if judged else "What it looks like", NOTHING
    drawn = _meters(verdict)
    if verdict.gate in ("launch", "canary"):
        drawn += Markup("").join(
            Markup("<div><h3>{}</h3>{}<p class='soft small'>{}</p></div>").format(it.name, it.chart, it.said)
            for it in parts.intervals
        )
    if _asks_approval(state):
        return _picture(state, [_sample(state) / "contact_sheet.png"]), "The sample, not approved yet", drawn
    if verdict.gate == "generator" and (made := _picture(state, sorted((state.folder / "assets").glob("*.png")))):
        return made, "What the generator makes from its inputs", drawn
    return None, "Measured values against their thresholds", drawn


def _sample(state: ChainState) -> Path:
    return next(light.folder for light in state.lights if light.gate.path == "quality/sample")


def _picture(state: ChainState, paths: list[Path]) -> PagePicture | None:
    found = first_picture([path for path in paths if state.holds(path)])
    return proof(found) if found else None


def _meters(verdict: Verdict) -> Markup:
    """The gravest checks, drawn against their thresholds."""
    checks = wording.notable(verdict)[:MOST_METERS]
    rows = environment().get_template("meters.html.j2").render(checks=checks)
    return Markup(rows)


def _bar(parts: Sections) -> Markup:
    return Markup(environment().get_template("memory_bar.html.j2").render(memory=parts.memory))


def _open_checks(state: ChainState) -> list[tuple[Verdict, Check]]:
    """Failed and doubtful ones of all gates, the gravest first."""
    found = [(verdict, check) for verdict in state.verdicts for check in wording.notable(verdict)]
    return sorted(found, key=lambda pair: -pair[1].status.severity)


def _counted(state: ChainState) -> str:
    """`3 checks failed, 1 is doubtful, 21 passed`."""
    counts = dict.fromkeys(Status, 0)
    for verdict in state.verdicts:
        for check in verdict.checks:
            counts[check.status] += 1
    failed, unknown, doubtful = counts[Status.NO_GO], counts[Status.UNKNOWN], counts[Status.CAUTION]
    words = []
    if failed:
        words.append(f"{failed} {_plural(failed, 'check', 'checks')} failed")
    if unknown:
        words.append(f"{unknown} {_plural(unknown, 'was', 'were')} not measured")
    if doubtful:
        words.append(f"{doubtful} {_plural(doubtful, 'is', 'are')} doubtful")
    passed = counts[Status.GO]
    words.append(f"{passed} passed" if words else f"{passed} {_plural(passed, 'check', 'checks')} passed")
    return ", ".join(words)


def _signs(threshold: str) -> str:
    """As people write it: `≤ 5 %`."""
    return threshold.replace("<= ", "≤ ").replace(">= ", "≥ ")


def _files(paths: Sequence[str]) -> str:
    """`contact_sheet.png, items.csv and 26 more`."""
    names = list(dict.fromkeys(Path(clean(path)).name for path in paths))
    if len(names) <= MOST_FILES:
        return ", ".join(names)
    return f"{', '.join(names[:MOST_FILES])} and {len(paths) - MOST_FILES} more"


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many


def _value(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    return NOT_MEASURED if value is None else clean(value)


@functools.cache
def environment() -> Environment:
    """For the templates of pages: every value is escaped, and cleaned of what draws."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "measured": wording.measured, "minute": wording.minute, "decision": wording.decision, "meter": meter,
        "duration": duration, "dollars": dollars, "gb": gigabytes, "signs": _signs,
        "files": _files, "sentence": sentence,
    }  # fmt: skip
    return environment
