import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from gonogo.report.causes import CAUSES
from gonogo.report.commit_text import of_halt
from gonogo.report.evidence import evidence
from gonogo.report.negative_result import NegativeFacts, StageCost, negative_result
from gonogo.report.storage import StoredFolder
from gonogo.report.verdict_by_part import parts
from gonogo.report.way_back import WayBack, way_back
from gonogo.runtime.ledger import Row
from gonogo.verdict import Check, Status
from tests.report.verdicts import DARK, dark, going, good, make, overridden, ready, unknown
from tests.waiting import LIMIT_S

SECTIONS = [
    "Executive summary",
    "Hypothesis and expected result",
    "What happened",
    "Root cause",
    "Verdict by part",
    "Evidence",
    "Storage",
    "Costs",
    "Saved by stopping here",
    "Lessons",
    "Next steps",
    "Alternatives",
    "Revival",
    "Suggested commit message",
]


def facts(**fields) -> NegativeFacts:
    given = {
        "hypothesis": "Views that a decoder renders are good enough to learn view synthesis from.",
        "expected_statement": "Recognisable views that beat predicting the mean.",
        "stages": [
            StageCost(stage="sample", wall_s=4.2),
            StageCost(stage="smoke_train", wall_s=60),
            StageCost(stage="cloud_train", wall_s=3600, usd=1.99),
            StageCost(stage="sample", wall_s=1.8),
        ],
        "passed": [],
        "evidence": [],
        "rerun": "snakemake --profile local --config experiments=cvs_dark",
    }
    return NegativeFacts(**{**given, **fields})


def section(document: str, title: str) -> str:
    return document.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]


@pytest.mark.parametrize("verdict", [dark(), overridden(), unknown(), make("results", [])])
def test_every_section_is_there_for_every_verdict(verdict) -> None:
    for given in (facts(), facts(hypothesis="", expected_statement="", stages=[])):
        document = negative_result(verdict, given)
        headings = [line[3:] for line in document.splitlines() if line.startswith("## ")]
        assert headings == SECTIONS
        for title in SECTIONS:
            assert section(document, title).strip()


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_is_explained_with_a_way_back(cause: str) -> None:
    verdict = dark().model_copy(update={"cause": cause})
    document = negative_result(verdict, facts())
    assert f"**{cause}.** {CAUSES[cause].meaning}" in section(document, "Root cause")
    assert CAUSES[cause].told_apart in section(document, "Root cause")
    revival = section(document, "Revival")
    assert all(f"- {requirement}" in revival for requirement in CAUSES[cause].requirements)
    assert "```bash\nsnakemake --profile local --config experiments=cvs_dark\n```" in revival


def test_a_cause_that_nobody_described_is_still_reported() -> None:
    document = negative_result(dark().model_copy(update={"cause": "GREMLINS"}), facts())
    assert "**GREMLINS.**" in section(document, "Root cause")


def test_without_a_measurement_no_cause_is_named() -> None:
    root = section(negative_result(unknown(), facts()), "Root cause")
    assert root.strip().startswith("**UNKNOWN.** No cause can be named")
    assert "- the step could not be traced" in root


def test_the_founding_failure() -> None:
    document = negative_result(dark(), facts())
    assert document.startswith("# cvs_dark: NO-GO at the quality (sample) gate\n")
    assert "- **Date:** 2026-01-11 02:44 UTC" in document
    assert f"| {DARK.title} | 0.0412 | >= 0.45 | 🔴 NO-GO | {DARK.why} |" in section(document, "What happened")
    assert "1. Open the contact sheet. Mend the data first." in section(document, "Next steps")
    assert "2. Set settings.data.cameras.orbit to cloud." in section(document, "Next steps")
    assert section(document, "Saved by stopping here").strip() == "3 h 05 min and $6.00 that will not be spent."


def test_ledger_rows_sum_and_the_part_to_be_done_again_is_shown() -> None:
    costs = section(negative_result(dark(), facts()), "Costs")
    assert "| sample | 6.0 s | 6.0 | $0.00 |" in costs
    assert "| **Total** | **1 h 01 min** | **3666.0** | **$1.99** |" in costs
    assert "| of which must be repeated | 1 h 01 min | 3666.0 | $1.99 |" in costs
    assert "**Cost of assuming** that this gate would pass: 1 h 01 min and $1.99, the total above" in costs
    assert re.search(r"\*\*What was learned:\*\* \d+ checks were measured", costs)


@pytest.mark.parametrize(("cause", "seconds"), [("WIRING", "3660.0"), ("UNDERTRAINED", "3660.0"), ("MEMORY", "0.0")])
def test_what_is_lost_depends_on_the_cause(cause: str, seconds: str) -> None:
    costs = section(negative_result(dark().model_copy(update={"cause": cause}), facts()), "Costs")
    assert f"| {seconds} |" in next(line for line in costs.splitlines() if "must be repeated" in line)


def test_nothing_is_invented_where_nothing_is_known() -> None:
    verdict = dark()
    verdict.saved.usd = verdict.saved.seconds = None
    document = negative_result(verdict, facts(hypothesis="", expected_statement="", stages=[]))
    assert "**Hypothesis:** not written down" in document
    assert "before the run:** not written down" in document
    assert "was not measured" in section(document, "Costs")
    assert "nothing has been forecast yet" in section(document, "Saved by stopping here")
    assert "The hypothesis was not tested" in section(document, "Revival")


# --- separate verdicts by part ---


def by_part(verdicts) -> dict[str, str]:
    return {part.name: part.status.label for part in parts(verdicts)}


def test_unmeasured_parts_are_unknown() -> None:
    assert by_part([dark()]) == {
        "infrastructure": "UNKNOWN",
        "code": "UNKNOWN",
        "data": "NO-GO",
        "hypothesis": "UNKNOWN",
    }


def test_a_good_infrastructure_can_refute_a_hypothesis() -> None:
    missed = make("results", [Check(id="skill", title="Skill", value=0.01, threshold="> 0.1", status=Status.NO_GO)])
    assert by_part([*ready(), going("canary"), missed]) == {
        "infrastructure": "GO",
        "code": "GO",
        "data": "GO",
        "hypothesis": "NO-GO",
    }
    document = negative_result(missed, facts(passed=[*ready(), going("canary")]))
    assert "| Hypothesis | 🔴 NO-GO | none |" in document
    assert "| Infrastructure | 🟢 GO | high |" in document
    assert "- **Proven:** infrastructure, code, data" in document
    assert "was tested with data and code that passed, and failed" in section(document, "Revival")


def test_dark_data_at_the_learning_gate_does_not_blame_the_code() -> None:
    fall = good("loss_fall").model_copy(update={"value": 86.5, "unit": "%", "threshold": "none"})
    halted = make("learning", [DARK, good("overfit_one_batch"), fall], "cvs_dark", cause="DATA")
    assert by_part([overridden(), halted]) == {
        "infrastructure": "UNKNOWN",
        "code": "UNKNOWN",
        "data": "NO-GO",
        "hypothesis": "UNKNOWN",
    }
    document = negative_result(halted, facts(passed=[overridden()]))
    assert "passed there: Overfit one batch |" in section(document, "Verdict by part")
    assert "Gates that came before" not in section(document, "Lessons")
    assert "fell by 86.5 % nevertheless" in section(document, "Lessons")
    assert "The quality (sample) gate said NO-GO and was overridden." in section(document, "Lessons")
    assert "passed by decision of Ada L.: to show that learning stops it" in section(document, "What happened")


def test_too_short_a_run_refutes_nothing() -> None:
    early = make("results", [Check(id="skill", title="Skill", value=0.0, status=Status.NO_GO)], cause="UNDERTRAINED")
    assert by_part([*ready(), going("canary"), early])["hypothesis"] == "UNKNOWN"


def test_dark_predictions_from_data_that_passed_do_not_blame_the_data() -> None:
    black = make("results", [DARK], cause="DATA")
    assert by_part([*ready(), going("canary"), black])["data"] == "GO"
    assert by_part([*ready(), going("canary"), black])["hypothesis"] == "NO-GO"


def test_a_result_on_data_that_did_not_pass_says_nothing_about_the_hypothesis() -> None:
    missed = make("results", [DARK], cause="RESULT")
    for last in (missed, going("results")):
        assert by_part([overridden(), *ready()[2:], going("canary"), last])["hypothesis"] == "UNKNOWN"


def test_what_has_no_value_is_unknown() -> None:
    assert by_part([unknown()])["infrastructure"] == "UNKNOWN"


# --- evidence ---


def test_evidence_exists_is_hashed_and_adds_up(tmp_path: Path) -> None:
    data = tmp_path / "results" / "sample"
    data.mkdir(parents=True)
    (data / "a.npy").write_bytes(b"a" * 1000)
    (data / "b.npy").write_bytes(b"b" * 500)
    (tmp_path / "results" / "verdict.json").write_bytes(b"{}")
    found = evidence(
        [
            Path("results/sample"),
            Path("results/sample/a.npy"),
            Path("results/verdict.json"),
            Path("results/gone.png"),
            data,
        ],
        tmp_path,
    )
    assert [item.path for item in found] == ["results/sample", "results/sample/a.npy", "results/verdict.json"]
    assert found[2].sha256 == hashlib.sha256(b"{}").hexdigest()
    assert [item.size_bytes for item in found] == [1500, 1000, 2]
    before = found[0].sha256
    (data / "b.npy").write_bytes(b"c" * 500)
    assert evidence([data], tmp_path)[0].sha256 != before
    listed = section(negative_result(dark(), facts(evidence=found)), "Evidence")
    assert f"| `results/verdict.json` | 2 bytes | 2 | `{found[2].sha256}` |" in listed


STORED = [
    StoredFolder(path="archive/cvs/run", kind="archive", size_bytes=7_300_000_000, again_s=9000.0, again_usd=5.0),
    StoredFolder(path="results/cvs/dataset", kind="dataset", size_bytes=2_300_000_000, again_s=60.0),
    StoredFolder(path="results/cvs/quality", kind="quality", size_bytes=1_000_000),
]


@pytest.mark.parametrize(
    ("verdict", "wasted"),
    [
        (dark(), "9.60 GB"), (dark().model_copy(update={"cause": "MEMORY"}), "0 bytes"),
        (dark().model_copy(update={"cause": "WIRING"}), "7.30 GB"),
        (make("results", [DARK], cause="RESULT"), "7.30 GB"),
    ],
)  # fmt: skip
def test_results_and_archive_are_summed_and_it_is_said_what_may_go(verdict, wasted: str) -> None:
    storage = section(negative_result(verdict, facts(storage=STORED)), "Storage")
    assert "Results and archive: 9.60 GB (8.94 GiB)" in storage
    assert f"spoilt by the fault: {wasted}" in storage
    assert "| yes: the stage dataset makes it again (1 min, $0.00) |" in storage
    assert "another paid run makes them again (2 h 30 min, $5.00) |" in storage
    assert "| `results/cvs/quality` | 1.0 MB | no | no: verdicts, documents and logs |" in storage


# --- the way back ---


def rows(*halted: bool, experiment: str = "cvs") -> list[Row]:
    """An invocation a day, each judged once; those that a gate halted."""
    made = []
    for day, stopped in enumerate(halted):
        begun = 86_400.0 * day
        made.append(Row(f"s{day}", experiment, "", "judge_quality_sample", begun, 50.0))
        if stopped:
            made.append(Row(f"s{day}", experiment, "", "halt", begun + 50, 50.0, outcome="failed"))
    return made


def test_effort_and_odds_come_from_the_ledger() -> None:
    known = [*rows(True, True, False), *rows(True, experiment="eeg")]
    found = way_back(known, session="s9")
    assert (found.halts, found.recovered, found.median_s) == (3, 2, 1.5 * 86_400 - 100)
    assert way_back(known[:2], session="s0") == WayBack(0, 0, None), "the halt that is being reported is none of them"
    revival = section(negative_result(dark(), facts(way_back=found)), "Revival")
    assert "35 h 58 min from a halt to the next run that passed (median of 2 in this ledger)" in revival
    assert "Of 3 earlier halts in this ledger, 2 were followed by a run that passed" in revival
    assert "Repeating what was lost: 1 h 01 min, $1.99, as measured this time: sample 6.0 s, " in revival
    assert "The rest of the plan: 3 h 05 min, $6.00, as forecast." in revival
    assert "not measured; no earlier halt" in section(negative_result(dark(), facts()), "Revival")


# --- commit message ---


def test_the_commit_message_is_text_and_git_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True, timeout=LIMIT_S)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    document = negative_result(dark(), facts())
    assert sorted(tmp_path.rglob("*")) == before
    message = section(document, "Suggested commit message").split("```text\n")[1].split("\n```")[0]
    assert message == of_halt(dark(), parts([dark()]), 3666, 1.99)
    subject, blank, *rest = message.splitlines()
    assert (subject, blank) == ("cvs_dark: NO-GO at quality (sample)", "")
    assert max(len(line) for line in rest if not line.startswith("Evidence")) <= 72
    assert "  found" not in message
    assert "Spent: 1 h 01 min, $1.99." in message
