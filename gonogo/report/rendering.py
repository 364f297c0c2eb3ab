"""Documents from the templates beside this file. Every value is escaped for the language of its page.

Markdown and HTML work alike: what a template prints is plain text from measurements, configs and logs, so it
is made harmless unless a filter says otherwise. `None` prints as "not measured": nothing unknown is blank.
"""

from __future__ import annotations

import base64
import functools
import mimetypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gonogo.base.text import clean
from gonogo.base.units import dollars, duration, gibibytes, gigabytes
from gonogo.report import wording
from gonogo.report.verdict_by_part import overall, parts

TEMPLATES = Path(__file__).parent / "templates"
NOT_MEASURED = "not measured"

_MARKDOWN = re.compile(r"[\\`*~|\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_HTML_IN_MARKDOWN = re.compile(r"[<&](?=[\w/!?#])")


def markdown_page(template: str, **values: Any) -> str:
    """The filled template, one newline at its end, no more than one empty line between blocks."""
    text = _environment(_markdown_value).get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def html_page(template: str, **values: Any) -> str:
    return _environment(_html_value).get_template(template).render(**values).strip() + "\n"


def markdown_text(text: str) -> str:
    """Plain text as Markdown that shows exactly that text, in a table cell too."""
    escaped = _MARKDOWN.sub(lambda found: "\\" + found.group(0), clean(text))
    return _HTML_IN_MARKDOWN.sub(lambda found: {"<": "&lt;", "&": "&amp;"}[found.group(0)], escaped)


def embedded(picture: Path) -> Markup:
    """The picture as a `data:` address, so that a page needs no file beside it."""
    kind = mimetypes.guess_type(picture.name)[0] or "application/octet-stream"
    return Markup(f"data:{kind};base64,{base64.b64encode(picture.read_bytes()).decode()}")


def _markdown_value(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    return Markup(markdown_text(NOT_MEASURED if value is None else str(value)))


def _html_value(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    return NOT_MEASURED if value is None else clean(value)


def _code(text: Any) -> Markup:
    """Inline code in Markdown; a bar would end a table's cell."""
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
def _environment(value: Callable[[Any], Any]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=value,
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
        "lines": _lines,
        "slug": _slug,
        "embedded": embedded,
        "measured": wording.measured,
        "headline": wording.headline,
        "decision": wording.decision,
        "hints": wording.hints,
        "notable": wording.notable,
        "gravest_first": wording.gravest_first,
        "saved": wording.saved,
        "minute": wording.minute,
        "about": wording.about,
        "evidence_paths": wording.evidence_paths,
        "parts": parts,
        "overall": overall,
    }
    return environment
