"""The whole chain, for real: one experiment goes all the way while another is stopped, in one DAG.

The tests of this file share a site and run in their order: each starts where the one before it ended.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from gonogo.gates import registry, standing
from gonogo.verdict import Status, Verdict
from tests.report.page.browser import browser, faults
from tests.waiting import LIMIT_S
from tests.workflow.conftest import Site

CHAIN = [
    "prepare", "judge_generator", *["sample", "measure_quality_sample", "judge_quality_sample"] * 2,
    *["dataset", "measure_quality_dataset"] * 2, "judge_quality_dataset", "smoke_train", "judge_learning",
    "trace_memory", "judge_memory",
    "forecast", "measure_launch", "judge_launch", "upload", "setup", "canary", "judge_canary", "cloud_train",
    "download", "validate", "judge_results", "report",
]  # fmt: skip

__all__ = ["browser"]
pytestmark = pytest.mark.slow


def archives(site: Site) -> list[Path]:
    return sorted((site.folder / "archive").glob("*/[!.]*"))


def orphans(site: Site) -> list[str]:
    """Processes that still work in this site."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(site.folder) in line and process.status() != psutil.STATUS_ZOMBIE:
            found.append(line)
    return found


def test_a_no_go_leaves_the_other_experiment_running(site: Site) -> None:
    with (site.folder / "config/config.yaml").open("a") as config:
        config.write("\ntracking: [csv, tensorboard]\n")
    done = site.run("--config", "experiments=cvs_dark,tiny")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    results = site.folder / "results"
    # one was stopped at its first quality gate, and nothing of it was sent anywhere
    assert Verdict.read(results / "cvs_dark/quality/sample/verdict.json").status is Status.NO_GO
    assert site.stages("cvs_dark")[-1] == "halt" and "upload" not in site.stages("cvs_dark")
    assert not (results / "instance/home/gonogo/cvs_dark").exists()
    # the other one passed every gate, each stage once and in order
    assert sorted(site.stages("tiny")) == sorted(CHAIN)
    verdicts = standing.verdicts(results / "tiny", "validate")
    assert [verdict.title for verdict in verdicts][-1] == "results" and len(verdicts) == len(registry.GATES)
    assert all(verdict.go and verdict.inputs_digest for verdict in verdicts)


def test_a_sample_that_does_not_decide_was_enlarged_and_judged_again(site: Site) -> None:
    results = site.folder / "results/tiny"
    first, second = (Verdict.read(results / f"quality/{name}/verdict.json") for name in ("sample", "sample_1"))
    assert (first.status, first.more) == (Status.UNKNOWN, 8)
    assert (second.status, second.more) == (Status.GO, 0)
    assert "of 18 scenes" in next(check.why for check in second.checks if check.id == "bad_items")
    more = sorted(path.name for path in (results / "sample/shard_1").glob("image_*"))
    assert more == [f"image_{index:04d}" for index in range(10, 18)]


def test_the_download_is_whole_and_what_was_trained(site: Site) -> None:
    (archive,) = archives(site)
    checkpoint = torch.load(archive / "out/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2 * 10  # ten training items of eight views, eight a batch, two epochs
    assert (archive / "out/samples/epoch_0002/predictions.png").stat().st_size > 1000
    assert list((archive / "out/tracking/tensorboard").rglob("events.out.tfevents*"))
    page = site.folder / "results/tiny/report.html"
    assert page.read_bytes() == (site.folder / "results/tiny/validate/report/report.html").read_bytes()
    assert "Every gate passed" in page.read_text() and 10_000 < page.stat().st_size < 5_000_000


def test_both_are_in_the_ledger_as_runs_that_can_be_compared(site: Site) -> None:
    def asked(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "gonogo", *words], cwd=site.folder, env=site.environment(), check=False,
            capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    runs = {run["experiment"]: run for run in json.loads(asked("runs", "--json"))}
    dark, tiny = runs["cvs_dark"], runs["tiny"]
    assert (dark["verdict"], dark["stopped_at"]) == ("NO-GO", "quality (sample)")
    assert tiny["verdict"] in ("GO", "CAUTION") and len(tiny["data_digest"]) == 64
    assert "metric.skill" in tiny and tiny["stages_s"] > 1
    record = json.loads(asked("show", "tiny", "--json"))["record"]
    assert record["curves"] and len(record["pictures"]) == 3
    (viewer,) = record["viewers"]
    assert viewer.startswith("tensorboard --logdir ") and [*Path(shlex.split(viewer)[-1]).rglob("events.out.*")]
    assert "quality (sample)" in asked("diff", "cvs_dark", "tiny", "--html", "diff.html")
    assert (site.folder / "diff.html").read_text().count("data:image/webp") >= 3
    assert "saved by 1 NO-GO" in asked("cost")


def test_the_page_of_a_finished_run_is_readable_on_the_first_screen(site: Site, browser) -> None:
    assert faults(browser, site.folder / "results/tiny/report.html") == []


def test_time_is_accounted_for(site: Site) -> None:
    timing = json.loads((site.folder / "results/timing.json").read_text())
    assert timing["wall_s"] == pytest.approx(timing["work_s"] + timing["overhead_s"], abs=0.05)
    assert {stage["stage"] for stage in timing["stages"]} >= {"sample", "smoke_train", "cloud_train"}


def test_no_orphan_is_left(site: Site) -> None:
    time.sleep(1.5)
    assert orphans(site) == []


def test_again_is_nothing_to_be_done(site: Site) -> None:
    before = len(site.stages("tiny"))
    done = site.run("--config", "experiments=tiny")
    assert done.returncode == 0 and "Nothing to be done" in done.stderr
    assert len(site.stages("tiny")) == before


def test_snakemakes_own_views_work(site: Site) -> None:
    assert site.run("-n", "--config", "experiments=cvs_dark").returncode == 0
    assert "cloud_train" in site.run("--summary", "--config", "experiments=tiny").stderr
    done = site.run("--report", "report.html", "--config", "experiments=tiny")
    assert done.returncode == 0, done.stderr
    assert "contact sheet" in (site.folder / "report.html").read_text()


def commands(site: Site, section: str) -> list[list[str]]:
    """Of a section of the preflight checklist."""
    text = (site.folder / "results/tiny/validate/launch/preflight.md").read_text()
    block = text.split(f"\n## {section}\n")[1].split("```bash\n")[1].split("```")[0]
    return [shlex.split(line) for line in block.splitlines() if line and not line.startswith("#")]


def test_the_checklists_commands_are_the_runs_own(site: Site) -> None:
    ((program, *arguments),) = commands(site, "Launch")
    assert program == "snakemake"
    again = [sys.executable, "-m", program, *arguments, "--dry-run"]
    done = subprocess.run(
        again, cwd=site.folder, env=site.environment(), capture_output=True, check=False, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    watched = commands(site, "Monitoring")
    looked_at = [words[-1] for words in watched if words[0] == "tail"]
    assert looked_at and all((site.folder / path).exists() for path in looked_at), looked_at
    own = {words[1]: words[1:] for words in watched if words[0] == "gonogo"}
    assert set(own) == {"attach", "review", "cost"}
    for name in ("review", "cost"):
        done = subprocess.run(
            [sys.executable, "-m", "gonogo", *own[name]], cwd=site.folder, env=site.environment(), check=False,
            capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
        assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_the_upload_that_the_checklist_tells_is_what_was_sent(site: Site) -> None:
    folder = site.folder / "results/tiny/validate"
    told = re.search(r"## Upload\n\n([\d.]+) MB", (folder / "launch/preflight.md").read_text())
    sent = json.loads((folder / "upload/upload.json").read_text())["bytes_total"]
    assert told is not None and 0.8 * sent <= 1e6 * float(told[1]) <= 1.2 * sent


def test_a_changed_threshold_only_judges(site: Site) -> None:
    before = len(site.stages("tiny"))
    done = site.run("--config", "experiments=tiny", "gates={quality: {min_brightness_ratio: 0.4}}")
    assert done.returncode == 0, done.stderr
    assert set(site.stages("tiny", before)) == {"judge_quality_sample", "judge_quality_dataset"}
    assert "tiny: GO; its page: results/tiny/report.html" in done.stdout + done.stderr
    done = site.run("--config", "experiments=tiny", "gates={memory: {estimate_error: 1.0}}", "budget_usd=20")
    assert done.returncode == 0, done.stderr
    assert set(site.stages("tiny", before + 3)) == {"judge_quality_sample", "judge_quality_dataset", "judge_memory"}


def test_a_threshold_can_stop_what_went_before_and_let_it_go_again(site: Site) -> None:
    before = len(site.stages("tiny"))
    done = site.run("--config", "experiments=tiny", "gates={canary: {max_memory_over_plan: 0.0001}}")
    assert done.returncode == 1 and "the plan was wrong" in done.stderr
    assert "cloud_train" not in site.stages("tiny", before)
    assert site.run("--config", "experiments=tiny").returncode == 0
    assert "cloud_train" not in site.stages("tiny", before)


def test_a_machine_that_did_not_pass_is_measured_again_when_asked_again(site: Site) -> None:
    refused = ("--config", "experiments=tiny", "gates={canary: {max_memory_over_plan: 0.0001}}")
    before = len(site.stages("tiny"))
    assert site.run(*refused).returncode == 1
    assert site.stages("tiny", before) == ["judge_canary", "halt"], "a changed threshold only judges"
    asked = site.run("-n", *refused).stderr
    assert "params have changed since last execution:\n        canary" in asked
    assert "params changed" in next(
        line for line in site.run("--summary", *refused).stderr.splitlines() if "canary/measurements.json" in line
    )
    assert site.run(*refused).returncode == 1
    assert site.stages("tiny", before + 2) == ["canary", "judge_canary", "halt"], "the machine may have been fixed"
    # what passes is kept, also by the invocation after it
    assert site.run("--config", "experiments=tiny").returncode == 0
    assert site.stages("tiny", before + 5) == ["judge_canary"]
    assert "Nothing to be done" in site.run("--config", "experiments=tiny").stderr


def test_one_stage_again_and_what_depends_on_it(site: Site) -> None:
    before = len(site.stages("tiny"))
    done = site.run("--config", "experiments=tiny", "--forcerun", "download")
    assert done.returncode == 0, done.stderr
    assert site.stages("tiny", before) == ["download", "validate", "judge_results", "report"]
    assert len(archives(site)) == 2


def edit(path: Path, **changes: object) -> bytes:
    """Change a JSON file behind the workflow's back: its time stays as it was."""
    original, times = path.read_bytes(), path.stat()
    path.write_text(json.dumps({**json.loads(original), **changes}))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return original


def test_no_gate_is_passed_by_touching_files(site: Site) -> None:
    learning = site.folder / "results/tiny/learning"
    upload_again = ("--config", "experiments=tiny", "--forcerun", "upload")
    # a verdict that says NO-GO stops the work whatever the token is
    good = edit(learning / "verdict.json", status="NO_GO")
    (learning / "token").touch()
    assert site.run(*upload_again).returncode == 1
    # a verdict edited to GO does not fit its measurements
    (learning / "verdict.json").write_bytes(good)
    measured = edit(learning / "measurements.json", finite=False)
    done = site.run(*upload_again)
    assert done.returncode == 1 and "says GO, its measurements say NO-GO" in done.stderr, done.stderr
    (learning / "measurements.json").write_bytes(measured)
    # data changed after it was judged is not what the verdict is about
    changed = site.folder / "results/tiny/dataset/shard_0/image_0000/input_depth.npy"
    original = changed.read_bytes()
    changed.write_bytes(original[:-1] + b"x")
    done = site.run(*upload_again)
    assert done.returncode == 1 and "stale" in done.stderr, done.stderr
    changed.write_bytes(original)
