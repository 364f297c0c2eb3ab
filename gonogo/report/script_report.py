"""The verdict about a script as a document: Markdown, and the same as one page with its loss curve."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

from gonogo.report.rendering import html_page, markdown_page
from gonogo.report.wording import number
from gonogo.script.verdict import LossSteps, ScriptVerdict

WIDE, HIGH, LEFT, BELOW = 720, 220, 64, 28  # pixels; room for the labels
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe & Ito's, told apart with any colour vision


def script_markdown(verdict: ScriptVerdict, curve: str = "") -> str:
    """The document.

    Args:
        curve: address of the loss curve's picture; empty: none.
    """
    return markdown_page("script_verdict.md.j2", verdict=verdict, curve=curve)


def script_html(verdict: ScriptVerdict) -> str:
    """The document as a page that needs no file beside it."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = loss_curves(verdict.curves)
        (Path(folder) / "losses.svg").write_text(drawn)
        return html_page(script_markdown(verdict, "losses.svg" if drawn else ""), verdict.status, Path(folder))


def loss_curves(curves: list[LossSteps]) -> str:
    """Losses over optimizer steps as SVG, one colour a line of the script; empty where there are fewer than two."""
    shown = [curve for curve in curves if len(_known(curve)) > 1][: len(COLOURS)]
    if not shown:
        return ""
    points = [point for curve in shown for point in _known(curve)]
    last = max(step for step, _ in points) or 1
    low, high = min(loss for _, loss in points), max(loss for _, loss in points)
    span = high - low or abs(high) or 1.0

    def at(step: int, loss: float) -> str:
        x = LEFT + step / last * (WIDE - LEFT - 12)
        return f"{x:.1f},{12 + (high - loss) / span * (HIGH - BELOW - 24):.1f}"

    lines = [
        f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(at(*p) for p in _known(curve))}"/>'
        for curve, colour in zip(shown, COLOURS, strict=False)
    ]
    names = [
        _text(WIDE - 14, 20 + 16 * row, f"backward at {Path(curve.where).name or 'the loss'}", colour, "end")
        for row, (curve, colour) in enumerate(zip(shown, COLOURS, strict=False))
    ]
    labels = [
        _text(LEFT - 6, 18, number(high), "#555", "end"),
        _text(LEFT - 6, HIGH - BELOW - 6, number(low), "#555", "end"),
        _text(LEFT, HIGH - 8, "0", "#555", "start"),
        _text(WIDE - 12, HIGH - 8, f"{last} optimizer steps", "#555", "end"),
    ]
    frame = f'<rect x="{LEFT}" y="6" width="{WIDE - LEFT - 6}" height="{HIGH - BELOW - 12}" fill="none" stroke="#ccc"/>'
    body = "".join([frame, *lines, *names, *labels])
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" width="{WIDE}">{body}</svg>'


def _known(curve: LossSteps) -> list[tuple[int, float]]:
    pairs = zip(curve.steps, curve.losses, strict=True)
    return [(step, loss) for step, loss in pairs if loss is not None and math.isfinite(loss)]


def _text(x: float, y: float, words: str, colour: str, anchor: str) -> str:
    style = f'font-family="sans-serif" font-size="12" fill="{colour}" text-anchor="{anchor}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(words)}</text>'
