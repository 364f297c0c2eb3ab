"""Two recorded runs on one page: what differs, their pictures and their losses side by side, in a single file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from gonogo.report.page.charts import loss_chart
from gonogo.report.page.html import environment
from gonogo.report.rendering import TEMPLATES
from gonogo.report.run_diff import Difference, RecordedRun

PICTURE = re.compile(r"data:image/(?:webp|svg\+xml);base64,[A-Za-z0-9+/=]+")
LOOKS = {"GO": "GO", "CAUTION": "CAUTION", "NO-GO": "NO_GO", "FAILED": "NO_GO", "RUNNING": "running"}


@dataclass(frozen=True)
class Pair:
    """What stands side by side; empty: that run has none. `same`: both are the one that is shown."""

    title: str
    old: Markup
    new: Markup
    same: bool = False


def diff_page(old: RecordedRun, new: RecordedRun, found: Sequence[Difference], picture: Callable[[str], str]) -> str:
    """The page.

    Args:
        picture: address of a picture by its digest; empty where it is not kept.
    """
    parts = [(part, list(rows)) for part, rows in groupby(found, lambda it: it.part)]
    return environment().get_template("diff.html.j2").render(
        runs=[(run.line, LOOKS.get(run.line.word, "UNKNOWN")) for run in (old, new)], parts=parts,
        pictures=_pictures(old, new, picture), curves=_curves(old, new), count=len(found),
        css=Markup((TEMPLATES / "chain.css").read_text()),
    )  # fmt: skip


def _pictures(old: RecordedRun, new: RecordedRun, picture: Callable[[str], str]) -> list[Pair]:
    before = {it.title: it.digest for it in old.record.pictures}
    after = {it.title: it.digest for it in new.record.pictures}
    pairs = []
    for title in dict.fromkeys([*after, *before]):
        ours = [_address(picture(digests[title])) if title in digests else Markup("") for digests in (before, after)]
        if any(ours):
            pairs.append(Pair(title, ours[0], ours[1], before.get(title) == after.get(title)))
    return sorted(pairs, key=lambda pair: pair.same)


def _address(text: str) -> Markup:
    """Only a picture that lies in the page itself."""
    return Markup(text) if PICTURE.fullmatch(text) else Markup("")


def _curves(old: RecordedRun, new: RecordedRun) -> list[Pair]:
    """Smoke run beside smoke run, paid run beside paid run."""
    before = {curve.title.split(",")[0]: loss_chart(curve) for curve in old.record.curves}
    after = {curve.title.split(",")[0]: loss_chart(curve) for curve in new.record.curves}
    titles = dict.fromkeys([*after, *before])
    pairs = [Pair(title, before.get(title, Markup("")), after.get(title, Markup(""))) for title in titles]
    return [pair for pair in pairs if pair.old or pair.new]
