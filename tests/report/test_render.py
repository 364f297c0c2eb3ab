import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from rich.cells import cell_len

from gonogo.report.negative_result import NegativeFacts, negative_result
from gonogo.report.render import to_text
from gonogo.report.rendering import html_part
from gonogo.report.verdict_line import to_line
from gonogo.verdict import Check, Savings, Status, Verdict, decide
from tests.report.verdicts import (
    DARK,
    MISSED,
    SHEET,
    WHEN,
    cautious,
    dark,
    going,
    good,
    make,
    overridden,
    unknown,
)
from tests.waiting import LIMIT_S

ALL = [dark, overridden, cautious, unknown, lambda: going("learning")]


def to_markdown(verdict: Verdict) -> str:
    """The document that a gate leaves when it halts."""
    facts = NegativeFacts(hypothesis="", expected_statement="", stages=[], passed=[], evidence=[], rerun="snakemake")
    return negative_result(verdict, facts)


def to_html(verdict: Verdict) -> str:
    """As it stands in the page of its experiment."""
    return str(html_part(to_markdown(verdict), "document-"))


def flat(text: str) -> str:
    """Text without its frame and line breaks."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def test_a_no_go_says_what_why_what_now_and_what_was_saved() -> None:
    text = to_text(dark(), colour=False, width=90)
    said = flat(text)
    assert text.splitlines()[0].startswith("╭─ NO-GO · quality (sample) · cvs_dark")
    assert "CAMERA: the cameras do not see the scene" in said
    for check in (DARK, MISSED):
        assert f"{check.title}: {check.value:g} (asked: {check.threshold}) {check.why} → {check.hint}" in said
    assert "✓ 4 checks pass: unreadable, noisy, repeated, constant" in said
    assert said.count(SHEET) == 1
    assert "saved 3 h 05 min and $6.00 that will not be spent" in said


def test_the_status_word_is_drawn_large() -> None:
    lines = to_text(dark(), colour=False, width=90).splitlines()
    assert "█▄ █ █▀█ ▄▄ █▀▀ █▀█" in lines[2]
    assert "█ ▀█ █▄█    █▄█ █▄█" in lines[3]


@pytest.mark.parametrize("width", [40, 72, 80, 200])
@pytest.mark.parametrize("make_verdict", ALL)
def test_no_line_is_longer_than_the_terminal(make_verdict, width: int) -> None:
    verdict = make_verdict()
    verdict.checks.append(
        Check(
            id="long",
            title="x" * 150,
            value="深" * 60,
            status=verdict.status,
            evidence=["results/" + "y" * 150],
        )
    )
    for colour in (False, True):
        text = re.sub(r"\x1b\[[\d;]*m", "", to_text(verdict, colour, width))
        assert max(cell_len(line) for line in text.splitlines()) <= width


def test_colour_only_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in to_text(dark(), colour=False, width=80)
    assert "\x1b" not in to_line(dark(), colour=False)
    monkeypatch.delenv("FORCE_COLOR")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[31m" in to_text(dark(), colour=True, width=80)
    assert "\x1b[1;33mCAUTION" in to_line(cautious(), colour=True)
    assert "\x1b[1;32mGO" in to_line(going("quality"), colour=True)


def test_one_line_for_a_gate_that_passes() -> None:
    assert to_line(going("quality", "sample"), colour=False).split() == [
        "GO",
        "quality",
        "(sample)",
        "all",
        "2",
        "checks",
        "pass",
    ]
    assert "tight" in to_line(cautious(), colour=False)
    long = make(
        "quality",
        [good("noise"), Check(id="a", title="a", status=Status.CAUTION, why="word " * 200 + "\nend")],
    )
    assert len(to_line(long, colour=True).splitlines()) == 1
    assert to_line(long, colour=False).endswith("word end")


def test_an_override_names_who_and_why() -> None:
    verdict = overridden()
    for rendered in (
        flat(to_text(verdict, False, 80)),
        to_line(verdict, False),
        to_markdown(verdict),
        to_html(verdict),
    ):
        assert "Ada L." in rendered
        assert "to show that learning stops it" in rendered
        assert "NO-GO" in rendered
    assert "saved" not in flat(to_text(verdict, False, 80))


def test_what_was_not_measured_is_never_named_as_a_cause() -> None:
    for rendered in (to_text(unknown(), False, 80), to_markdown(unknown()), to_html(unknown())):
        assert "UNKNOWN" in rendered
        assert "not measured" in rendered
        assert "MEMORY" not in rendered
    empty = decide([], gate="canary", experiment="cvs", measured_at=WHEN, inputs_digest="")
    assert "nothing was measured" in to_text(empty, False, 80)
    assert "nothing was measured" in to_markdown(empty)


def test_saved_says_so_where_nothing_was_forecast() -> None:
    verdict = dark()
    verdict.saved = Savings()
    assert "nothing has been forecast yet" in flat(to_text(verdict, False, 80))
    assert "$" not in flat(to_text(verdict, False, 80))


def test_the_same_hint_is_given_once() -> None:
    twin = DARK.model_copy(update={"id": "twin", "title": "Twin"})
    assert flat(to_text(make("quality", [DARK, twin]), False, 90)).count(DARK.hint) == 1
    assert to_markdown(make("quality", [DARK, twin])).count(DARK.hint) == 1


def hostile() -> Verdict:
    nasty = "[bold]\x1b[2J\x1b]0;owned\x07 <script>alert(1)</script> a|b *c* __d__ `e`\r\nnext"
    return make(
        "canary",
        [
            Check(
                id="ran",
                title=nasty,
                value=nasty,
                threshold=nasty,
                status=Status.NO_GO,
                why=nasty,
                hint=nasty,
            )
        ],
    )


def test_quoted_text_cannot_draw_on_the_page() -> None:
    text = to_text(hostile(), False, 100)
    assert "\x1b" not in text
    assert "owned" not in text
    assert "[bold]" in text
    html = to_html(hostile())
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    markdown = to_markdown(hostile())
    assert "<script" not in "".join(markdown.split("```")[::2])  # between fences it is code
    row = next(line for line in markdown.splitlines() if line.startswith("| \\[bold"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert "\\*c\\* \\_\\_d\\_\\_ \\`e\\` next" in row


@pytest.mark.parametrize(
    "text",
    ["# Big", "- a point", "+ a point", "1. first", "12) twelfth", "> quoted", ">quoted", "===", "---", "***",
     ">= 0.45", "-0.5 dB", "2026.", "[a](javascript:alert(1))", "![b](file:///etc/passwd)",
     "<img src=x onerror=alert(1)>",
     "<javascript:alert(1)>", "&lt;b&gt; & co", "```", "a\\| b", "\\"],
)  # fmt: skip
def test_a_page_shows_exactly_the_text(text: str) -> None:
    verdict = make("quality", [DARK.model_copy(update={"why": text, "hint": text})])
    verdict.summary = text
    page = Page(to_html(verdict))
    assert not page.open and not page.addresses
    assert " ".join(page.text.split()).count(text) >= 3  # in a paragraph, a cell and a list
    verdict.summary = "plain"
    verdict.checks = [check.model_copy(update={"why": "plain", "hint": "plain"}) for check in verdict.checks]
    assert page.seen == Page(to_html(verdict)).seen


def test_markdown_shows_every_check_gravest_first() -> None:
    markdown = to_markdown(dark())
    assert markdown.startswith("# cvs_dark: NO-GO at the quality (sample) gate\n")
    rows = [line for line in markdown.splitlines() if line.startswith("| ")][2:8]
    assert [("NO-GO" in row, "GO" in row) for row in rows] == [(True, True)] * 2 + [(False, True)] * 4
    assert f"| {DARK.title} | 0.0412 | >= 0.45 | 🔴 NO-GO | {DARK.why} |" in markdown
    assert f"Evidence: {SHEET}" in markdown


class Page(HTMLParser):
    VOID = {"meta", "br", "img"}  # noqa: RUF012

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""
        self.addresses: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("make_verdict", [*ALL, hostile])
def test_the_html_page_is_whole_and_needs_nothing_beside_it(make_verdict) -> None:
    html = to_html(make_verdict())
    page = Page(html)
    assert not page.open
    assert not page.addresses
    assert make_verdict().status.label in html


def test_rendering_starts_fast() -> None:
    """The terminal's verdict waits for neither jinja2, matplotlib nor torch."""
    code = (
        "import sys; import gonogo.verdict; before = {*sys.modules}; import gonogo.report.render;"
        "new = {*sys.modules} - before; print(*{name.partition('.')[0] for name in new}); print(len(new))"
    )
    packages, modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=LIMIT_S
    ).stdout.splitlines()
    assert not {"jinja2", "matplotlib", "torch", "numpy"} & {*packages.split()}
    assert int(modules) < 100
