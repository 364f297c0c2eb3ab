"""What sheets of pictures share: the title, and framed cells with a picture and what is wrong with it."""

from __future__ import annotations

import functools
import textwrap
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gonogo.quality.judgement import Judgement
from gonogo.verdict import Status

CELL, FRAME, GAP = 128, 4, 10  # pixels: side of a picture, width of its frame, space between
BOX = CELL + 2 * FRAME
ENLARGED_UP_TO = CELL // 2  # pixels: pictures up to this side are shown at twice their size
REASONS, LINE = 2, 15  # lines of reasons under a picture; their height
HEAD = 92  # height of the title
HEAD_REASONS = 2  # lines of the title
CAPTION = 22  # letters under a picture
LETTER = 6.6  # pixels, mean width of a letter of the title's reason
PAPER, INK, FAINT, BLANK = "#ffffff", "#1b1f24", "#5b6470", "#d0d5db"


def title(sheet: Image.Image, judgement: Judgement, items: str, shown: int) -> None:
    """Status, cause, how many are bad, and the first reasons.

    Args:
        items: what they are called, several of them.
        shown: how many are on the sheet.
    """
    draw, status = ImageDraw.Draw(sheet), judgement.status
    draw.rectangle((0, 0, sheet.width, 6), fill=status.rgb)
    total = judgement.items
    counts = f"{judgement.bad} of {total} {items} bad" + (f", the worst {shown} are shown" if shown < total else "")
    head = " · ".join(filter(None, [status.label, judgement.cause, counts]))
    draw.text((GAP, 14), head, INK, font(20))
    telling = [check for check in judgement.checks if check.status is status is not Status.GO]
    reasons = [check.why for check in telling or judgement.checks[-1:]]
    letters = int((sheet.width - 2 * GAP) / LETTER)
    lines = [textwrap.shorten(drawable(why), letters, placeholder=" …") for why in reasons[:HEAD_REASONS]]
    draw.multiline_text((GAP, 42), "\n".join(lines), FAINT, font(13), spacing=4)


def cell(
    sheet: Image.Image, corner: tuple[int, int], picture: Image.Image | None, frame: str, captions: Sequence[str]
) -> None:
    """A framed picture, grey where there is none, with lines of text below; the first of them is its name."""
    draw, (left, top) = ImageDraw.Draw(sheet), corner
    draw.rectangle((left, top, left + BOX - 1, top + BOX - 1), fill=frame)
    draw.rectangle((left + FRAME, top + FRAME, left + FRAME + CELL - 1, top + FRAME + CELL - 1), fill=BLANK)
    if picture is None:
        draw.text((left + BOX // 2, top + BOX // 2), "no picture", FAINT, font(13), anchor="mm")
    else:
        small = fitted(picture)
        sheet.paste(small, (left + (BOX - small.width) // 2, top + (BOX - small.height) // 2))
    for line, caption in enumerate(captions):
        text = textwrap.shorten(drawable(caption), CAPTION, placeholder="…")
        draw.text((left + FRAME, top + BOX + 1 + line * LINE), text, FAINT if line == 0 else INK, font(12))


def opened(path: Path) -> Image.Image | None:
    """A picture file, RGB; None where it cannot be read."""
    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # what Pillow raises on damaged files
        return None


def fitted(picture: Image.Image) -> Image.Image:
    """As large as fits a cell; small ones at twice their size."""
    if max(picture.size) <= ENLARGED_UP_TO:
        return picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)
    small = picture.copy()
    small.thumbnail((CELL, CELL))
    return small


def reasons(faults: Sequence[str]) -> list[str]:
    """As many as there is room for; how many more there are."""
    if len(faults) <= REASONS:
        return list(faults)
    return [*faults[: REASONS - 1], f"{faults[REASONS - 1]} +{len(faults) - REASONS}"]


def drawable(text: str) -> str:
    """The text in letters that the font has: others without their accent, or escaped as `\\u65e5`."""
    return text if text.isascii() else "".join(map(_letter, unicodedata.normalize("NFC", text)))


@functools.cache
def _letter(letter: str) -> str:
    if letter.isascii() or letter.isspace() or _has(letter):
        return letter
    plain = "".join(one for one in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(one))
    return plain if plain.isascii() else letter.encode("ascii", "backslashreplace").decode()


def _has(letter: str) -> bool:
    """Whether the font draws it other than what it has no picture of."""
    if unicodedata.category(letter) in ("Cn", "Co", "Cs", "Mn"):
        return False
    shown, missing = (font(12).getmask(one) for one in (letter, "\uffff"))
    return shown.size != missing.size or bytes(shown) != bytes(missing)


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
