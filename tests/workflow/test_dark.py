"""The founding failure: stopped in seconds, and stopped again where somebody insists."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from gonogo.verdict import Status, Verdict
from tests.report.page.browser import browser, faults
from tests.workflow.conftest import Site

__all__ = ["browser"]


def test_the_founding_failure_is_stopped_with_its_cause(fresh: Site) -> None:
    done = fresh.run("--config", "experiments=cvs_dark", timeout_s=900)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "CalledProcessError" not in done.stderr
    assert "views are black" in done.stderr and "CAMERA" in done.stderr
    folder = fresh.folder / "results/cvs_dark/quality/sample"
    verdict = Verdict.read(folder / "verdict.json")
    assert verdict.status is Status.NO_GO and verdict.cause == "CAMERA"
    camera = next(check for check in verdict.failed if "coverage per view" in check.why)
    assert "002 0 %" in camera.why and "000 3" in camera.why
    assert any("black" in check.why for check in verdict.failed)
    # nothing more than the sample was made
    assert "dataset" not in fresh.stages("cvs_dark") and not (fresh.folder / "results/cvs_dark/dataset").exists()
    # the evidence is there, and nothing left the machine
    assert Image.open(folder / "contact_sheet.png").size[0] > 1000
    page = fresh.folder / "results/cvs_dark/report.html"
    assert "results/cvs_dark/report.html" in done.stderr and page.stat().st_size < 2_000_000
    assert "The cameras do not see the scene." in page.read_text()
    document = (folder / "negative_result.md").read_text()
    assert "CAMERA" in document and "contact_sheet.png" in document
    assert not (fresh.folder / "results/instance").exists() and not (fresh.folder / "archive").exists()


@pytest.mark.slow
def test_its_page_is_readable_on_the_first_screen(browser, fresh: Site) -> None:
    fresh.run("--config", "experiments=cvs_dark", timeout_s=900)
    assert faults(browser, fresh.folder / "results/cvs_dark/report.html") == []


@pytest.mark.slow
def test_forced_past_quality_it_is_stopped_by_learning_although_the_loss_falls(fresh: Site) -> None:
    override = "{experiment: cvs_dark, gate: quality, by: Ada Lovelace, reason: to see what learning says}"
    done = fresh.run("--config", "experiments=cvs_dark", f"overrides=[{override}]", timeout_s=1200)
    assert done.returncode == 1
    passed = Verdict.read(fresh.folder / "results/cvs_dark/quality/sample/verdict.json")
    assert passed.status is Status.NO_GO and passed.override is not None and passed.override.by == "Ada Lovelace"
    verdict = Verdict.read(fresh.folder / "results/cvs_dark/learning/verdict.json")
    assert verdict.status is Status.NO_GO and verdict.cause == "DATA"
    fall = next(check for check in verdict.checks if check.id == "loss_fall")
    measured = json.loads((fresh.folder / "results/cvs_dark/learning/measurements.json").read_text())
    assert isinstance(fall.value, float) and fall.value > 80, (fall, measured)
    assert "Ada Lovelace" in (fresh.folder / "results/cvs_dark/learning/negative_result.md").read_text()
