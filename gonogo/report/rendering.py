"""Documents from the Markdown templates beside this file, and pages made from those documents.

What a template prints is plain text from measurements, configs and logs, so it is escaped unless a filter says
otherwise. `None` prints as "not measured": nothing unknown is blank.
"""

from __future__ import annotations

import base64
import functools
import html
import itertools
import mimetypes
import re
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gonogo.base.text import clean
from gonogo.base.units import dollars, duration, gibibytes, gigabytes
from gonogo.report import wording
from gonogo.report.verdict_by_part import overall, parts
from gonogo.verdict import Status

if TYPE_CHECKING:
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token

TEMPLATES = Path(__file__).parent / "templates"
NOT_MEASURED = "not measured"
_REACHED_BY_KEYS = ' tabindex="0" role="region" aria-label="Table"'

_MARKDOWN = re.compile(r"[\\`*~|\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_HTML_IN_MARKDOWN = re.compile(r"[<&](?=[\w/!?#])")
_BLOCK = re.compile(r"^(\d{0,9})(?=[#+.)-]+(\s|$)|>)")  # what begins a heading, a list or a quotation


def markdown_page(template: str, **values: Any) -> str:
    """The filled template, one newline at its end, no more than one empty line between blocks."""
    text = _environment().get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def html_page(markdown: str, status: Status, folder: Path = Path()) -> str:
    """A document as a page that needs no file beside it; raw HTML in it is shown, not obeyed.

    Args:
        status: whose colour the page has.
        folder: what the addresses of its pictures are relative to; a picture that is missing is named.
    """
    title, body = _read_document(markdown, folder)
    page = string.Template((TEMPLATES / "page.html").read_text())
    return page.substitute(title=html.escape(title), status=status.value, body=body)


def html_part(markdown: str, anchor: str) -> Markup:
    """A document as a part of a page that shows its pictures elsewhere: its headings are two steps lower.

    Args:
        anchor: begins the names of its headings, which the page may have as well.
    """
    return Markup(_read_document(markdown, None, anchor, lower=2)[1])


def _read_document(markdown: str, folder: Path | None, anchor: str = "", lower: int = 0) -> tuple[str, str]:
    """Title and body as HTML; `folder` None: only what pictures are called."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    reader.add_render_rule("image", _picture)
    reader.add_render_rule("table_open", lambda self, *rest: f'<div class="scroll"{_REACHED_BY_KEYS}><table>\n')
    reader.add_render_rule("table_close", lambda self, *rest: "</table></div>\n")
    tokens = reader.parse(markdown)
    for heading, inline in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            heading.attrSet("id", anchor + _slug(_plain(inline)))
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = f"h{min(6, int(token.tag[1]) + lower)}"
        for child in token.children or ():
            if child.type == "link_open" and str(child.attrs.get("href", "")).startswith("#"):
                child.attrSet("href", f"#{anchor}{str(child.attrs['href'])[1:]}")
    title = next((_plain(inline) for inline in tokens if inline.type == "inline"), "")
    body = reader.renderer.render(tokens, reader.options, {"folder": folder})
    for shown in Status:
        body = body.replace(f"{shown.light} {shown.label}", f'<span class="status {shown}">{shown.label}</span>')
    return title, body


def markdown_text(text: str) -> str:
    """Plain text as Markdown that shows exactly that text, wherever it stands."""
    return _BLOCK.sub(r"\1\\", _cell(text))


def _cell(text: str) -> str:
    """Plain text within a line, where nothing begins a block."""
    escaped = _MARKDOWN.sub(lambda found: "\\" + found.group(0), clean(text))
    return _HTML_IN_MARKDOWN.sub(lambda found: {"<": "&lt;", "&": "&amp;"}[found.group(0)], escaped)


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _picture(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    address = unquote(str(tokens[index].attrs["src"]))
    if env["folder"] is None:
        return f"<em>{html.escape(tokens[index].content)}</em>"
    file = env["folder"] / address
    if not file.is_file():
        return f"<em>{html.escape(address)} is missing</em>"
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<img src="data:{kind};base64,{data}" alt="{html.escape(tokens[index].content)}">'


def _value(value: Any) -> Markup:
    if isinstance(value, Markup):
        return value
    return Markup(markdown_text(NOT_MEASURED if value is None else str(value)))


def _code(text: Any) -> Markup:
    """Inline code; a bar would end a table's cell."""
    return Markup("`" + clean(text).replace("`", "'").replace("|", "\\|") + "`")


def _slug(text: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _known(form: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda value: NOT_MEASURED if value is None else form(value)


def _lines(text: str) -> Markup:
    """A block for a code fence: indented as it is, without escapes, and unable to close the fence."""
    indents = [line[: len(line) - len(line.lstrip(" "))] for line in text.splitlines()]
    cleaned = [clean(line).replace("```", "'''") for line in text.splitlines()]
    return Markup("\n".join(map("".join, zip(indents, cleaned, strict=True))))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "dollars": _known(dollars),
        "duration": _known(duration),
        "hours": _known(lambda hours: duration(3600 * hours)),
        "gb": _known(gigabytes),
        "gib": _known(gibibytes),
        "number": _known(wording.number),
        "percent": _known(lambda share: f"{100 * share:.{0 if share >= 0.1 or not share else 1}f} %"),
        "code": _code,
        "cell": lambda text: Markup(_cell(text)),
        "lines": _lines,
        "slug": _slug,
        "measured": wording.measured,
        "headline": wording.headline,
        "decision": wording.decision,
        "hints": wording.hints,
        "gravest_first": wording.gravest_first,
        "saved": wording.saved,
        "minute": wording.minute,
        "about": wording.about,
        "evidence_paths": wording.evidence_paths,
        "parts": parts,
        "overall": overall,
    }
    return environment
