"""The README's animated terminal: recorded from a real program, and drawn with its moments."""

from __future__ import annotations

import importlib.util
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

from tests.conftest import ROOT

PROGRAM = r"""
import sys, time
print("\x1b[1;32mGO\x1b[0m <first> & 🟢 second", flush=True)
for done in range(3):
    print(f"\r\x1b[2K{done} of 3", end="", flush=True)
    time.sleep(0.4)
print("\r\x1b[2Kall " + "x" * 130, flush=True)
for line in range(40):
    print("line", line)
print("columns", __import__("os").get_terminal_size().columns)
"""


@pytest.fixture
def cast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("cast", ROOT / "docs/pictures/cast.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "cast", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PICTURE", tmp_path / "cast.svg")
    monkeypatch.setattr(module, "RECORDING", tmp_path / "build/cast.jsonl")
    monkeypatch.setattr(module, "COMMAND", [sys.executable, "-c", PROGRAM])
    monkeypatch.setattr(sys, "argv", ["cast.py"])
    return module


def test_a_run_is_drawn_as_it_was_seen(cast: ModuleType) -> None:
    cast.main()
    picture = cast.PICTURE.read_text()
    texts = ["".join(text.itertext()) for text in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert "<first> & 🟢 second" in texts and f"columns {cast.COLUMNS}" in texts
    assert {"0 of 3", "1 of 3", "2 of 3"} <= set(texts), "each is there long enough to be read"
    assert "all " + "x" * (cast.COLUMNS - 4) in texts and "x" * (134 - cast.COLUMNS) in texts, "broken as by a terminal"
    assert "translateY(-" in picture and "prefers-reduced-motion" in picture
    (green,) = [line for line in picture.split("<text") if line.endswith("GO</text>")]
    assert 'font-weight="bold"' in green and "fill=" in green


def test_the_shipped_picture_is_small_and_ends_with_the_whole_chain(root: Path) -> None:
    picture = root / "docs/pictures/cast.svg"
    said = picture.read_text()
    assert picture.stat().st_size <= 300_000 and ET.fromstring(said) is not None
    assert all(word in said for word in ("$", "make run", "judge_results", "cloud_train"))
