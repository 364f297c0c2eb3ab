from pathlib import Path

from PIL import Image

from gonogo.base.ranges import Range
from gonogo.report.rendering import html_page
from gonogo.report.run_report import Leg, Metric, ReportPicture, RunFacts, run_report
from gonogo.report.timing import StageTiming
from gonogo.verdict import Status
from tests.report.test_render import Page
from tests.report.verdicts import WHEN, dark, going, overridden, ready


def page_of(facts: RunFacts, folder: Path = Path()) -> str:
    return html_page(run_report(facts), facts.status, folder)


def facts(**fields) -> RunFacts:
    given = {
        "experiment": "cvs",
        "mode": "fast",
        "target": "mi300x",
        "date": WHEN,
        "verdicts": [*ready(), going("canary"), going("results")],
        "expected_statement": "Recognisable views that beat predicting the mean.",
        "metrics": [
            Metric(name="skill", least=0.1, obtained=0.42),
            Metric(name="psnr", least=None, obtained=21.5),
        ],
        "legs": [
            Leg(
                name="smoke run, here",
                device="cpu",
                batch=8,
                steps=120,
                step_s=0.17,
                loss=0.0732,
                hours=0.75,
                usd=0.0,
            ),
            Leg(
                name="paid run",
                device="MI300X",
                batch=32,
                steps=18_750,
                step_s=0.48,
                loss=None,
                hours=2.5,
                usd=5.0,
            ),
        ],
        "forecast_hours": Range(low=2.0, mid=3.0, high=4.0),
        "forecast_usd": Range(low=4.0, mid=6.0, high=8.0),
        "actual_hours": 2.5,
        "actual_usd": 5.0,
        "billed_usd": 6.4,
        "wasted_usd": 0.3,
        "archive": "archive/cvs/20260111-024455_fast_7f3a",
        "pictures": [ReportPicture(path="../validate/views.png", caption="Held-out views | predicted")],
        "stages": [StageTiming(experiment="cvs", stage="cloud_train", wall_s=9000, work_s=8940)],
    }
    return RunFacts(**{**given, **fields})


def test_the_report_sets_expected_against_obtained_and_plan_against_bill() -> None:
    report = run_report(facts())
    assert report.startswith("# cvs, fast mode: GO\n")
    assert "- **Billed in all:** $6.40, setup and transfers included, of which $0.30 on stages that failed" in report
    assert "| skill | – | at least 0.1 | 0.42 | 🟢 GO |" in report
    assert "| psnr | – | nothing asked | 21.5 | – |" in report
    assert "| smoke run, here | cpu | 8 | 120 | 0.17 | 47.06 | 0.0732 | 45 min | $0.00 |" in report
    assert "| paid run | MI300X | 32 | 18750 | 0.48 | 66.67 | not measured | 2 h 30 min | $5.00 |" in report
    assert "paid run: 1.42 times the samples a second of smoke run, here (66.67 against 47.06)." in report
    message = report.split("```text\n")[1].split("\n```")[0].splitlines()
    assert message[:2] == ["cvs: GO after the fast run", ""] and max(map(len, message)) <= 72
    assert "- skill: 0.42 (expected at least 0.1)" in message and "- psnr: 21.5" in message
    assert "Trained on mi300x: 2 h 30 min, $5.00." in message
    assert "| Time | 3 h | 2 h | 4 h | 2 h 30 min |" in report
    assert "| Cost | $6.00 | $4.00 | $8.00 | $5.00 |" in report
    assert "- **Archive:** `archive/cvs/20260111-024455_fast_7f3a`" in report
    assert "](<../validate/views.png>)" in report
    assert "| cloud_train | 2 h 30 min | 2 h 29 min | 1 min |" in report


def test_gates_stand_in_the_order_in_which_they_judged() -> None:
    report = run_report(facts())
    table = report.split("## Gates\n")[1].strip().split("\n\n")[0].splitlines()[2:]
    assert [row.split("](")[0] for row in table] == [f"| [{v.title}" for v in facts().verdicts]


def test_the_status_is_the_gravest_of_gates_and_expectations() -> None:
    assert facts(metrics=[Metric(name="skill", least=0.5, obtained=0.42)]).status is Status.NO_GO
    assert facts(metrics=[Metric(name="skill", least=0.5, obtained=None)]).status is Status.UNKNOWN
    assert facts(verdicts=[*ready(), dark()]).status is Status.NO_GO
    assert facts(verdicts=[]).status is Status.UNKNOWN
    assert "# cvs, fast mode: NO-GO" in run_report(facts(verdicts=[overridden()]))
    assert "quality (sample) (NO-GO) passed by decision of Ada L.: to show" in run_report(
        facts(verdicts=[overridden()])
    )


def test_what_was_not_measured_is_said() -> None:
    bare = facts(
        metrics=[],
        legs=[],
        forecast_hours=None,
        forecast_usd=None,
        actual_hours=None,
        actual_usd=None,
        billed_usd=0.0,
        archive="",
        pictures=[],
        stages=[],
        expected_statement="",
        verdicts=[],
    )
    for report in (run_report(bare), page_of(bare)):
        assert report.count("not measured") >= 8
        assert "nothing was downloaded" in report
        assert "None" not in report


def test_targets_stand_beside_their_baselines_and_a_miss_is_marked() -> None:
    metrics = [
        Metric(name="psnr_db", least=37, obtained=35.9, baseline=35.3),
        Metric(name="ssim", least=0.975, obtained=0.98, baseline=0.971),
    ]
    shown = run_report(facts(metrics=metrics))
    assert "| Metric | Baseline | Expected | Obtained | Met |" in shown
    rows = {row.split(" | ")[0]: row for row in shown.splitlines() if row.startswith(("| psnr_db", "| ssim"))}
    assert rows["| psnr_db"].startswith("| psnr_db | 35.3 | at least 37 | 35.9 |") and "NO-GO" in rows["| psnr_db"]
    assert rows["| ssim"].startswith("| ssim | 0.971 | at least 0.975 | 0.98 |") and "NO-GO" not in rows["| ssim"]
    assert ">Baseline</th>" in page_of(facts(metrics=metrics))


def test_the_page_carries_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "validate").mkdir()
    Image.new("RGB", (4, 4), "red").save(tmp_path / "validate" / "views.png")
    pictures = [*facts().pictures, ReportPicture(path="../gone.png", caption="Gone <b>")]
    html = page_of(facts(pictures=pictures, verdicts=[*ready(), overridden()]), tmp_path / "report")
    page = Page(html)
    assert not page.open
    assert [a[:22] for a in page.addresses if not a.startswith("#")] == ["data:image/png;base64,"]
    assert "../gone.png is missing" in html
    assert "Gone &lt;b&gt;" in html
    assert "Ada L." in html
    links = {a[1:] for a in page.addresses if a.startswith("#")}
    assert all(f'id="{link}"' in html for link in links)
