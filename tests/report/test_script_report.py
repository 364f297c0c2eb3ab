"""The verdict about a script as a document."""

from __future__ import annotations

from gonogo.base.ranges import Range
from gonogo.memory.cards import CardRow
from gonogo.report.script_report import loss_curves, script_html, script_markdown
from gonogo.script.card.cost import Cost
from gonogo.script.card.facts import Stage
from gonogo.script.verdict import LossSteps, ScriptVerdict, script_verdict
from gonogo.verdict import Check, Status

GRADIENT = Check(
    id="gradient", title="Gradients reach every module", value=2, threshold="0 without", status=Status.NO_GO,
    why="`encoder.embed` never got a gradient", hint="Look for a detach() on the way.",
)  # fmt: skip
FELL = Check(id="fell", title="The loss falls", value=41.0, unit="%", status=Status.GO)


CARD = CardRow(
    name="t4", title="NVIDIA T4", needed_bytes=20_000_000_000, capacity_bytes=15_800_000_000, status=Status.NO_GO,
    refused="aten.mm, forward", usd_per_hour=(0.35, 0.6),
)  # fmt: skip
HOUR = Range(low=0.5, mid=1, high=2)
COST = Cost(steps=100, whole_run=True, step_s=HOUR, hours=HOUR, usd=HOUR)


def verdict() -> ScriptVerdict:
    return script_verdict(
        {"wiring": [FELL.model_copy(update={"id": "zeroed"}), GRADIENT], "learning": [FELL]},
        ["WIRING"], "python train.py --name '<b>|x'", "NVIDIA H200",
        seconds=31.0, steps={"card": 3, "processor": 24}, notes=["torch.compile was left out"],
        curves=[LossSteps(where="/r/train.py:12", steps=[0, 1, 2], losses=[2.5, None, 1.5])],
        cards=[CARD], stages=[Stage(name="validation", why_not="not within the pass")], cost=COST,
    )  # fmt: skip


def test_parts_have_their_own_status_and_what_was_not_measured_is_unknown() -> None:
    found = verdict()
    assert (found.status, found.cause, found.go) == (Status.NO_GO, "WIRING", False)
    assert [part.status for part in found.parts] == [Status.UNKNOWN, Status.NO_GO, Status.GO, Status.UNKNOWN]
    assert [check.id for check in found.of_part("wiring")] == ["wiring.gradient", "wiring.zeroed"]
    assert ScriptVerdict.model_validate_json(found.model_dump_json()) == found


def test_the_document_says_what_is_wrong_first_and_what_to_do() -> None:
    text = script_markdown(verdict())
    assert text.startswith("# NO-GO: python train.py")
    assert text.index("parts of the model are not connected") < text.index("## What to do now")
    assert text.index("Look for a detach() on the way") < text.index("## Wiring")
    assert "torch.compile was left out" in text
    assert "| NVIDIA T4 | 20.00 GB | 127 % |" in text and "$0.35 to $0.60" in text
    assert "not reached: not within the pass" in text
    assert (verdict().saved.seconds, verdict().saved.usd) == (3600, 1)


def test_the_page_holds_its_curve_and_obeys_no_markup_of_the_command() -> None:
    page = script_html(verdict())
    assert "data:image/svg+xml;base64," in page and "<b>" not in page.partition("<body")[2]
    assert "http" not in page.replace("http-equiv", "")


def test_a_curve_leaves_out_what_is_not_finite_and_needs_two_points() -> None:
    assert loss_curves(verdict().curves).count("polyline") == 1
    assert loss_curves([LossSteps(where="", steps=[0, 1], losses=[None, 2.0])]) == ""
