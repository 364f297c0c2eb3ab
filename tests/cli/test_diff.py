"""`gonogo diff`: two recorded runs against each other, as a table and as a page."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from gonogo.base.files import write_json
from gonogo.cli.main import main
from tests.cli.recorded import LEDGER, Site, site
from tests.report.page.browser import browser, faults
from tests.report.page.chains import contact_sheet

__all__ = ["browser", "site"]
HOSTILE = '<img src=x onerror=alert(1)>"&\x1b[31m'
Said = pytest.CaptureFixture[str]


def metric(site: Site, **values: float) -> None:
    write_json(site.settings("mine").paths("mine", "fast").results / "measurements.json", {"metrics": values})


def two(site: Site) -> None:
    """The second learns faster, from another sheet of data."""
    metric(site, skill=0.5)
    losses = {
        "steps": 3, "epochs": 1, "parameters": 5, "train_loss": [1.0, 0.5, 0.25], "val_steps": [3], "val_loss": [0.3],
        "step_s": [0.1], "wall_s": 1.0, "peak_memory_bytes": 5, "device": "cpu", "finite": True,
    }  # fmt: skip
    write_json(Path("results/mine/fast/cloud_train/run.json"), {"hours": 0.5, "usd": 1.5, "result": losses})
    site.invocation("s1")
    metric(site, skill=0.75)
    site.invocation("s2", stopped_at="", keys={"hypothesis": "It ends better.", "dataset_items": 12})


def test_what_differs_is_listed_and_nothing_else(site: Site, capsys: Said) -> None:
    two(site)
    capsys.readouterr()
    assert main(["diff", "s1", "s2", "--json"]) == 0
    found = {(it["part"], it["name"]): it for it in json.loads(capsys.readouterr().out)}
    assert set(found) == {("settings", "hypothesis"), ("settings", "dataset_items"), ("metrics", "skill")}
    skill = found["metrics", "skill"]
    assert (skill["old"], skill["new"], skill["change"]) == ("0.5", "0.75", "+0.25")
    assert main(["diff", "mine~1", "mine"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["metrics", "skill", "0.5", "0.75", "+0.25"] for line in said), said
    assert main(["diff", "mine~1", "mine", "--csv"]) == 0
    assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == 3


def test_a_no_go_against_a_go_names_the_gate_and_the_check(site: Site, capsys: Said) -> None:
    site.invocation("s1", "learning")
    site.invocation("s2")
    capsys.readouterr()
    assert main(["diff", "s1", "s2"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"verdicts +learning +NO-GO WIRING +GO\n", said)
    assert re.search(r"learning: Share of the items that are bad +✗ 41.5 % of items, asked <= 5 % of items +–", said)


def test_the_page_has_both_pictures_and_losses_and_asks_nothing_of_elsewhere(site: Site, capsys: Said) -> None:
    two(site)
    assert main(["diff", "s1", "s2", "--html", "diff.html"]) == 0
    page = Path("diff.html").read_text()
    assert page.count("data:image/webp") == 3 and page.count("The same in both.") == 3
    assert page.count('class="chart"') == 2 and "It ends better." in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page) and "<script" not in page and "url(" not in page
    Image.effect_noise((400, 300), 90).convert("RGB").save("results/mine/quality/dataset/contact_sheet.png")
    kept = Path("results/mine/quality/dataset/contact_sheet.png").read_bytes()
    with pytest.MonkeyPatch.context() as patched:
        other = lambda path: path.write_bytes(kept) if "dataset" in path.parts else contact_sheet(path)  # noqa: E731
        patched.setattr("tests.report.page.chains.contact_sheet", other)
        site.invocation("s3")
    assert main(["diff", "s2", "s3", "--html", "diff.html"]) == 0
    page = Path("diff.html").read_text()
    assert page.count("The same in both.") == 2 and page.count("data:image/webp") == 4
    shown = re.findall(r'src="([^"]+)" alt="The data set, of s(\d)/mine"', page)
    assert [run for _, run in shown] == ["2", "3"] and shown[0][0] != shown[1][0]


def test_hostile_text_is_shown_and_a_picture_that_is_none_is_left_out(site: Site, capsys: Said) -> None:
    site.invocation("s1", note=HOSTILE)
    metric(site, **{HOSTILE: 1.0})
    site.invocation("s2", note=HOSTILE, keys={"hypothesis": HOSTILE})
    with sqlite3.connect(LEDGER) as file:
        file.execute("UPDATE pictures SET address = ?", ['x" onerror="alert(1)'])
    assert main(["diff", "s1", "s2", "--html", "diff.html"]) == 0
    page = Path("diff.html").read_text()
    assert "&lt;img src=x" in page and "<img" not in page and not re.search(r"<[^>]+ onerror", page)
    assert "\x1b" not in page + capsys.readouterr().out


def test_a_run_that_was_not_recorded_is_one_sentence(site: Site, capsys: Said) -> None:
    site.invocation("s1")
    with sqlite3.connect(LEDGER) as file:
        file.execute("UPDATE runs SET record = '{}'")
    assert main(["diff", "s1", "mine", "--html", "diff.html"]) == 1
    said = capsys.readouterr().err
    assert "were not recorded" in said and not Path("diff.html").exists()


@pytest.mark.slow
def test_the_page_is_readable_wide_and_narrow(site: Site, browser) -> None:
    two(site)
    assert main(["diff", "s1", "s2", "--html", "diff.html"]) == 0
    assert faults(browser, Path("diff.html"), first_screen=False) == []
