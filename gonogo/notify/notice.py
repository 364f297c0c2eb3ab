"""What is sent: one event of a chain, in a sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gonogo.base.text import clean

Event = Literal["no_go", "approval", "launch", "estimate", "stall", "budget", "end", "alarm", "test"]
URGENT: tuple[Event, ...] = ("approval", "stall", "budget", "alarm")
LONGEST_TITLE, LONGEST_SENTENCE, LONGEST_HINT = 120, 500, 250  # characters: together less than any service takes
PICTURE_AT_MOST_BYTES = 4_000_000


@dataclass(frozen=True)
class Notice:
    """One event. Its words are safe to show, and short."""

    event: Event
    title: str
    sentence: str
    hint: str = ""
    experiment: str = ""
    mode: str = ""
    picture: str = ""  # path of a file; empty: none

    @property
    def text(self) -> str:
        """All that is said below the title."""
        return f"{self.sentence}\n→ {self.hint}" if self.hint else self.sentence

    @property
    def urgent(self) -> bool:
        """Whether a person is waited for, or money runs."""
        return self.event in URGENT

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def notice(
    event: Event,
    title: str,
    sentence: str,
    *,
    hint: str = "",
    experiment: str = "",
    mode: str = "",
    picture: Path | None = None,
) -> Notice:
    """A notice of words that may come from a machine, and of a picture that may be missing or too large to send."""
    return Notice(
        event=event,
        title=_short(title, LONGEST_TITLE),
        sentence=_short(sentence, LONGEST_SENTENCE),
        hint=_short(hint, LONGEST_HINT),
        experiment=clean(experiment),
        mode=clean(mode),
        picture=_sendable(picture),
    )


def _short(text: str, longest: int) -> str:
    text = clean(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _sendable(picture: Path | None) -> str:
    try:
        fits = picture is not None and 0 < picture.stat().st_size <= PICTURE_AT_MOST_BYTES
    except OSError:
        return ""
    return str(picture.resolve()) if fits and picture else ""
