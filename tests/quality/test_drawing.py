"""Names on a sheet are readable, whatever letters they have."""

from __future__ import annotations

import pytest

from gonogo.quality.drawing import drawable, font


@pytest.mark.parametrize("name", ["a.png", "größe_7.png", "日本_1.png", "кот.png", "cafe\u0301.png", "e\ud83d.png"])
def test_no_letter_is_a_box(name: str) -> None:
    shown = drawable(name)
    box = bytes(font(12).getmask("\uffff"))
    assert all(bytes(font(12).getmask(letter)) != box for letter in shown)
    assert shown.endswith(".png")


def test_letters_that_the_font_lacks_are_escaped() -> None:
    assert drawable("日本") == "\\u65e5\\u672c"
    assert drawable("日本") != drawable("本日")
    assert drawable("plain.png") == "plain.png"
