"""A step that does not fit the GPU stops the chain or, if the config says so, continues in smaller parts."""

from __future__ import annotations

import json

import pytest
import yaml

from gonogo.memory.plan import Plan
from gonogo.verdict import Status, Verdict
from tests.workflow.conftest import Site

UPLOADED = "results/tiny/validate/upload/run.json"
REPLAN = "gates={memory: {on_no_go: replan}}"


def shrink(site: Site, visible_bytes: int) -> None:
    """The local target gets a GPU of this size."""
    config = site.folder / "config"
    small = {
        "title": "a small card", "architecture": "cpu", "visible_bytes": visible_bytes, "is_this_machine": True,
        "source": "a test, 2026",
    }  # fmt: skip
    known = yaml.safe_load((config / "accelerators.yaml").read_text())
    (config / "accelerators.yaml").write_text(yaml.safe_dump({**known, "small": small}))
    target = yaml.safe_load((config / "targets/local.yaml").read_text())
    (config / "targets/local.yaml").write_text(yaml.safe_dump({**target, "accelerator": "small"}))


@pytest.mark.slow
def test_a_step_too_large_halts_and_replan_goes_on(fresh: Site) -> None:
    shrink(fresh, 50_000_000)
    folder = fresh.folder / "results/tiny/validate"
    done = fresh.run(UPLOADED, "--config", "experiments=tiny", timeout_s=900)
    assert done.returncode == 1 and "micro_batch_size 8 → " in done.stderr and "on_no_go: replan" in done.stderr
    assert Verdict.read(folder / "memory/verdict.json").status is Status.NO_GO
    assert "| micro_batch_size | 8 |" in (folder / "memory/plan.md").read_text()
    before = len(fresh.stages("tiny"))
    # the changed word judges again, traces nothing, and what follows takes the new plan
    done = fresh.run(UPLOADED, "--config", "experiments=tiny", REPLAN, timeout_s=900)
    assert done.returncode == 0, done.stderr
    assert fresh.stages("tiny", before)[:2] == ["judge_memory", "forecast"]
    assert "trace_memory" not in fresh.stages("tiny", before)
    verdict = Verdict.read(folder / "memory/verdict.json")
    assert verdict.status is Status.CAUTION
    assert {check.id for check in verdict.checks} == {"peak_memory", "parts", "replanned"}
    plan = Plan.model_validate_json((folder / "memory/plan.json").read_text())
    sent = json.loads((folder / "upload/run.json").read_text())["training"]
    assert plan.replanned and plan.changes[0].key == "micro_batch_size"
    assert sent["micro_batch_size"] == plan.training.micro_batch_size < 8
    assert sent["micro_batch_size"] * sent["accumulate_grad_batches"] == 8
