import pytest

from gonogo.base.errors import UserError
from gonogo.base.ranges import Range
from gonogo.config.accelerator import Accelerator
from gonogo.config.experiment import Training
from gonogo.config.issues import Claim, Issue
from gonogo.config.target import Target
from gonogo.forecast.forecast import StageTime, forecast
from gonogo.forecast.speed import Speed
from gonogo.gates.launch import Item
from gonogo.report.preflight import CommandToRun, Mode, PreflightFacts, preflight
from gonogo.report.risks import RISKS
from gonogo.verdict import Check, Status
from tests.report.verdicts import WHEN, cautious, dark, going, make, overridden, ready, unknown

PARAMETERS = 54_274_564
GB = 4 * PARAMETERS
# 500 pictures × 8 views in batches of 32 at 0.4 s a step, with setup and upload of this machine's own instance
TEN_EPOCHS = forecast(
    Speed(
        step_s=0.4, step_s_low=0.4, step_s_high=0.4, samples_per_step=32, train_samples=4000, epoch_overhead_s=9.168,
        start_s=4.0, tflops_fp32=0.05, bandwidth_gb_s=10,
    ),
    Training(epochs=10, micro_batch_size=32),
    Target(usd_per_hour=1.99),
    Accelerator(title="here", visible_bytes=None, is_this_machine=True, source="-"),
)  # fmt: skip


def facts(**fields) -> PreflightFacts:
    given = {
        "experiment": "cvs",
        "mode": "fast",
        "target": "mi300x",
        "accelerator": "AMD Instinct MI300X",
        "date": WHEN,
        "usd_per_hour": 2.0,
        "hours": Range(low=2.5, mid=3.0, high=4.0),
        "usd": Range(low=5.0, mid=6.0, high=8.0),
        "forecast_basis": "0.17 s a step measured in the smoke run",
        "setup_hours": 0.25,
        "budget_usd": 20.0,
        "budget_buffer": 0.25,
        "upload_bytes": 1_500_000_000,
        "stages": [StageTime(stage="upload", seconds=Range(low=12, mid=120, high=1200), basis="1.50 GB at 100 Mbit/s")],
        "items": [
            Item(name="data set", ok=True, detail="40 items"),
            Item(name="decoder", ok=True, detail="runs"),
        ],
        "modes": [
            Mode(
                name="validate",
                epochs=10,
                batch=32,
                hours=TEN_EPOCHS.hours.mid,
                usd=TEN_EPOCHS.usd.mid,
                when="to try the setup",
            ),
            Mode(name="fast", epochs=150, batch=32, hours=3.0, usd=6.0, when="for results", recommended=True),
        ],
        "components_bytes": {"weights": GB, "optimizer": 2 * GB, "gradients": GB, "EMA": GB},
        "peak_bytes": 97_000_000_000,
        "capacity_bytes": 206_100_000_000,
        "expected_statement": "Recognisable views that beat predicting the mean.",
        "expected_metrics": {"skill": 0.1},
        "approval": "Ada L., 2026-01-11: looked at ten",
        "launch": [
            CommandToRun(
                does="Run the chain",
                command="snakemake --profile cloud --config experiments=cvs mode=fast target=mi300x",
            )
        ],
        "monitor": [CommandToRun(does="Follow the paid run", command="tail -f results/cvs/fast/logs/cloud_train.log")],
    }
    return PreflightFacts(**{**given, **fields})


def replaced(verdict) -> list:
    """`ready()` with the verdict in the place of its gate's."""
    return [verdict if (v.gate, v.scope) == (verdict.gate, verdict.scope) else v for v in ready()]


def section(document: str, title: str) -> str:
    return document.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]


def test_ready_when_everything_passes() -> None:
    document = preflight(ready(), facts())
    assert "- **Status:** 🟢 GO · READY TO LAUNCH\n- **Date:** 2026-01-11 02:44 UTC" in document
    assert "Open points" not in document


SHORT = make("launch", [Check(id="budget", title="Budget", value=30.0, status=Status.NO_GO, why="over budget")])


@pytest.mark.parametrize(
    ("verdicts", "changed", "says"),
    [
        (replaced(dark()), {}, "🔴 NO-GO · DO NOT LAUNCH"),
        (replaced(SHORT), {}, "🔴 NO-GO: launch: over budget"),
        (replaced(unknown()), {}, "⚪ UNKNOWN: memory: the step could not be traced"),
        (ready()[:-1], {}, "⚪ UNKNOWN: launch: the gate has not judged"),
        ([v for v in ready() if v.gate != "learning"], {}, "⚪ UNKNOWN: learning: the gate has not judged"),
        ([], {}, "HOLD"),
        (
            ready(),
            {"items": [Item(name="decoder", ok=False, detail="gaussian_decoder.onnx: not found")]},
            "🔴 NO-GO: decoder",
        ),
        (ready(), {"expected_statement": "  "}, "🔴 NO-GO: expected result"),
        (ready(), {"hours": None, "usd": None}, "⚪ UNKNOWN: forecast"),
        (ready(), {"peak_bytes": None}, "⚪ UNKNOWN: memory"),
        (
            replaced(going("memory").model_copy(update={"checks": dark().checks})),
            {},
            "🔴 NO-GO · DO NOT LAUNCH",
        ),
        (replaced(overridden()), {}, "🟡 CAUTION · LAUNCH BY DECISION"),
    ],
)
def test_ready_cannot_be_printed_when_something_failed_or_is_unknown(verdicts, changed, says: str) -> None:
    document = preflight(verdicts, facts(**changed))
    assert "READY" not in document
    assert says in document


def test_a_caution_is_a_reservation() -> None:
    document = preflight(replaced(cautious()), facts())
    assert "🟡 CAUTION · READY, with reservations" in document
    assert "- 🟡 CAUTION: memory: the step needs 14.9 GB" in document


def test_an_override_is_named() -> None:
    document = preflight(replaced(overridden()), facts())
    assert "quality (sample): NO-GO, passed by decision of Ada L.: to show that learning stops it" in document


def test_a_missing_item_fails_its_row() -> None:
    items = [
        Item(name="data set", ok=True, detail="40 items"),
        Item(name="decoder", ok=False, detail="not found"),
    ]
    table = section(preflight(ready(), facts(items=items)), "Critical items")
    assert "| data set | 🟢 in place | 40 items |" in table
    assert "| decoder | 🔴 missing | not found |" in table


def test_memory_in_gb_and_gib() -> None:
    memory = section(preflight(ready(), facts()), "Memory")
    assert "| optimizer | 434 MB | 414 MiB | 0.2 % |" in memory
    assert "| Sum of these | 1.09 GB | 1.01 GiB | 0.5 % |" in memory
    assert "| **Needed at the peak** | **97.00 GB** | **90.34 GiB** | **47 %** |" in memory
    assert "| AMD Instinct MI300X | 206.1 GB | 191.9 GiB | 100 % |" in memory
    untraced = section(preflight(ready(), facts(components_bytes={}, peak_bytes=None)), "Memory")
    assert "The step was not traced. Peak: not measured" in untraced


def test_exactly_one_mode_is_recommended() -> None:
    table = section(preflight(ready(), facts()), "Training modes")
    assert table.count("(recommended)") == 1
    assert "| **fast** (recommended), chosen | 150 | 32 | 3 h | $6.00 | for results |" in table
    assert "| validate | 10 | 32 | 10 min | $0.33 | to try the setup |" in table
    only = section(preflight(ready(), facts(modes=facts().modes[:1])), "Training modes")
    assert "**validate** (recommended)" in only


@pytest.mark.parametrize(("flags", "count"), [((True, True), 2), ((False, False), 2)])
def test_none_or_two_recommended_modes_are_refused(flags, count: int) -> None:
    modes = [mode.model_copy(update={"recommended": flag}) for mode, flag in zip(facts().modes, flags, strict=True)]
    with pytest.raises(
        UserError, match=rf"config/experiments/cvs.yaml: modes: exactly one .* not {count} \(validate, fast\)"
    ):
        preflight(ready(), facts(modes=modes))


def test_cost_with_setup_buffer_and_repetitions() -> None:
    cost = section(preflight(ready(), facts()), "Cost")
    assert "| Setup and upload, part of the run | 15 min | $0.50 |" in cost
    assert "| This run, setup included | 3 h | $6.00 |" in cost
    assert "| 3 such runs | 9 h | $18.00 |" in cost
    assert "| Budget needed by this run, 25 % kept free | – | $8.00 |" in cost
    unknown_cost = section(preflight(ready(), facts(hours=None, usd=None, setup_hours=None)), "Cost")
    assert unknown_cost.count("not measured") == 7


def test_each_stage_that_grows_with_the_data_has_its_time() -> None:
    checklist = preflight(ready(), facts())
    assert "1.50 GB (1.40 GiB), time: 2 min." in section(checklist, "Upload")
    assert "| upload | 2 min | 12 s | 20 min | 1.50 GB at 100 Mbit/s |" in section(checklist, "Time by stage")


def test_forecast_with_its_range() -> None:
    forecast = section(preflight(ready(), facts()), "Forecast")
    assert "| Cost | $5.00 | $6.00 | $8.00 |" in forecast
    assert "Basis: 0.17 s a step" in forecast


def test_every_risk_links_to_a_section_with_its_check() -> None:
    verdicts = replaced(cautious())
    document = preflight(verdicts, facts())
    rows = [line for line in section(document, "Risks").splitlines() if "](#" in line]
    assert len(rows) == len(RISKS)
    headings = [line.lstrip("# ") for line in document.splitlines() if line.startswith("#")]
    anchors = {"".join(c for c in h.lower() if c.isalnum() or c in " -_").replace(" ", "-") for h in headings}
    assert len(anchors) == len(headings)
    assert {row.split("](#")[1].split(")")[0] for row in rows} <= anchors
    by_risk = {row.split(" | ")[0]: row for row in rows}
    assert "| medium | [memory: Peak of a training step](#memory-gate)" in by_risk["| A step does not fit the card"]
    assert "| low | [launch: Budget]" in by_risk["| The run exceeds the budget"]
    assert "| unknown | [canary, still to come]" in by_risk["| The machine is slower or smaller than its data sheet"]
    assert "| low | [quality (sample): First and 3 more]" in document


def test_a_part_that_nobody_measured_is_unknown() -> None:
    table = section(preflight(ready(), facts()), "Confidence by part")
    assert "| Data | 🟢 GO | high | passed: generator (2 checks), quality (sample) (2 checks)" in table
    assert "| Hypothesis | ⚪ UNKNOWN | unknown |" in table
    assert "| Overall | ⚪ UNKNOWN | unknown | the weakest of: infrastructure, hypothesis |" in table


def test_statement_approval_and_commands_are_quoted() -> None:
    document = preflight(ready(), facts())
    assert "Recognisable views" in section(document, "Expected results")
    assert "- skill: at least 0.1" in section(document, "Expected results")
    assert "Ada L., 2026-01-11: looked at ten" in section(document, "Approval")
    command = "snakemake --profile cloud --config experiments=cvs mode=fast target=mi300x"
    assert f"```bash\n# Run the chain\n{command}\n```" in section(document, "Launch")
    assert "tail -f results/cvs/fast/logs/cloud_train.log\n" in section(document, "Monitoring")
    unsigned = preflight(ready(), facts(approval="", expected_statement=""))
    assert "Nobody has approved the sample." in unsigned
    assert "No expected result is written down" in unsigned


def test_issues_keep_severity_and_status_and_claims_their_source() -> None:
    issue = Issue(what="sync_dist on one device", severity="minor", status="accepted", resolution="harmless")
    claim = Claim(claim="the card aborts the first batch", source="https://github.com/ROCm/ROCm/issues/2153")
    page = preflight(ready(), facts(issues=[issue], research=[claim]))
    assert "| sync_dist on one device | minor | accepted | harmless |" in section(page, "Issues found")
    assert "| the card aborts the first batch | https://github.com" in section(page, "What the plan relies on")
    assert "## Issues found" not in preflight(ready(), facts())
