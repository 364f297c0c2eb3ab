"""The page's HTML: every text from elsewhere is shown, its size has a limit, its charts say what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from gonogo.gates.registry import gate
from gonogo.memory.step_curve import StepCurve
from gonogo.report.curves import LossCurve
from gonogo.report.page import pictures
from gonogo.report.page.charts import loss_chart, memory_chart, meter, slices
from gonogo.report.page.html import chain_page
from gonogo.report.page.state import chain_state
from gonogo.runtime import ledger
from gonogo.verdict import Check, Status
from tests.report.page.chains import BAD, chain, contact_sheet, row
from tests.report.verdicts import make

HOSTILE = '<img src=x onerror=alert(1)>"&\x1b[31m'


def test_names_hints_logs_and_documents_are_shown_as_text(tmp_path: Path) -> None:
    folder = chain(tmp_path, "learning", experiment="mine")
    hostile = BAD.model_copy(update=dict.fromkeys(("title", "why", "hint", "threshold", "unit"), HOSTILE))
    hostile.evidence = [f"a/{HOSTILE}.png"]
    make("learning", [hostile], "mine", summary=HOSTILE, cause=HOSTILE).write(folder / "verdict.json")
    (folder / "negative_result.md").write_text(f"# A\n\n{HOSTILE}\n\n![x]({HOSTILE})\n")
    ledger.begin(tmp_path / "ledger.sqlite", row("mine", HOSTILE, outcome=ledger.RUNNING))
    (tmp_path / "mine/logs").mkdir()
    page = chain_page(chain_state(tmp_path, "mine"), HOSTILE, {HOSTILE: HOSTILE})
    assert "&lt;img src=x" in page and "<img src=x" not in page and "\x1b" not in page
    assert not re.search(r"<[^>]+ onerror", page) and "<script" not in page


def test_nothing_in_the_page_is_asked_of_another_place(tmp_path: Path) -> None:
    chain(tmp_path)
    page = chain_page(chain_state(tmp_path, "mine"), "again")
    assert not re.search(r'(?:src|href)="(?!data:|#)', page) and "url(" not in page and "@import" not in page


def test_two_hundred_pictures_on_every_sheet_stay_below_five_megabytes(tmp_path: Path) -> None:
    chain(tmp_path, "quality/dataset")
    noise = Image.effect_noise((1300, 2000), 90).convert("RGB")
    for scope in ("sample", "dataset"):
        noise.save(tmp_path / f"mine/quality/{scope}/contact_sheet.png", compress_level=0)
    page = chain_page(chain_state(tmp_path, "mine"), "again")
    assert len(page.encode()) < 5_000_000 and page.count("data:image/webp") == 3


def test_the_proof_is_cut_between_two_rows_of_items(tmp_path: Path) -> None:
    contact_sheet(tmp_path / "sheet.png", items=10, high=140)
    shown = pictures.proof(tmp_path / "sheet.png")
    assert shown is not None and shown.height < 0.78 * shown.width
    assert shown.height % 140 >= 110 or shown.height % 140 < 10  # in the empty band below a row


@pytest.mark.parametrize("left", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_a_picture_that_cannot_be_read_is_left_out_and_the_measured_figures_stand_in_its_place(
    left: bytes, tmp_path: Path
) -> None:
    folder = chain(tmp_path, "quality/sample")
    (folder / "contact_sheet.png").write_bytes(left)
    page = chain_page(chain_state(tmp_path, "mine"), "again")
    assert "Measured values against their thresholds" in page and "41.5 % of items" in page


@pytest.mark.parametrize(
    ("value", "unit", "threshold", "wanted"),
    [
        (41.5, "% of items", "<= 5 % of items, NO-GO from 4", (41.5, 5.0)),
        (0.4, "", ">= 0.8 (chance: 0.5)", (40.0, 80.0)),
        (12_000, "MB", "<= 10,000 MB", (80.0, 66.7)),
        (None, "", ">= 1", None),
        (True, "", ">= 1", None),
        ("45 of 80", "", "<= 5", None),
        (float("nan"), "", "<= 5", None),
        (0.0, "", ">= 0", (0.0, 0.0)),
        (1.0, "", "none", None),
    ],
)
def test_a_meter_stands_where_value_and_threshold_are_numbers(
    value: float | None, unit: str, threshold: str, wanted: tuple[float, float] | None
) -> None:
    found = meter(Check(id="x", title="X", value=value, unit=unit, threshold=threshold, status=Status.NO_GO))
    assert (found and (round(found.value, 1), round(found.limit, 1))) == wanted


def test_a_loss_chart_says_in_words_what_it_draws_and_leaves_gaps_out() -> None:
    steps = list(range(1, 2001))
    losses: list[float | None] = [2.0 / step for step in steps]
    losses[100] = None
    losses[101] = float("inf")
    curve = LossCurve(
        title="mine <b>", steps=steps, train_loss=losses, val_steps=[1000], val_loss=[0.5],
        baselines={"predict the mean": 1.25}, unit="loss",
    )  # fmt: skip
    drawn = loss_chart(curve, [(0, 0.1), (2000, 0.7)])
    assert "mine &lt;b&gt;" in drawn and "predict the mean: 1.25" in drawn and drawn.count('class="mark"') == 2
    assert "nan" not in drawn and "inf" not in drawn.replace("infinite", "")
    assert len(drawn) < 30_000
    assert not loss_chart(curve.model_copy(update={"steps": [], "train_loss": [], "val_steps": [], "val_loss": []}))


def test_components_fill_the_card_or_their_own_sum_where_they_need_more() -> None:
    fits = slices({"weights": 25, "activations": 50}, 100)
    assert [(it.name, it.begin, it.share) for it in fits] == [("activations", 0, 50), ("weights", 50, 25)]
    assert sum(it.share for it in slices({"a": 150, "b": 150}, 100)) == pytest.approx(100)


def test_an_overridden_gate_keeps_its_colour_and_says_who_decided(tmp_path: Path) -> None:
    from gonogo.verdict import Override, Verdict

    chain(tmp_path)
    file = tmp_path / "mine" / gate("learning").path / "verdict.json"
    verdict = make("learning", [BAD], "mine", cause="WIRING")
    verdict.override = Override(experiment="mine", gate="learning", by="Ada L.", reason="to see what comes next")
    verdict.write(file)
    assert Verdict.read(file).override
    page = chain_page(chain_state(tmp_path, "mine"), "again")
    assert "NO-GO, overridden" in page and "passed by decision of Ada L." in page


def test_the_memory_of_a_step_is_drawn_over_its_allocations(tmp_path: Path) -> None:
    curve = StepCurve(live_bytes=[10, 500_000_000, 2_000_000_000, 30], events=1234, phases={"forward": 0, "<b>": 0.6})
    drawn = memory_chart(curve)
    assert "Most in &lt;b&gt;: 2.00 GB" in drawn and "1,234 allocations" in drawn and "<b>" not in drawn
    assert len(re.findall(r"[\d.]+,[\d.]+", re.search(r'<polyline class="train" points="([^"]+)"', drawn)[1])) == 4
    assert not memory_chart(curve.model_copy(update={"live_bytes": [5]}))
