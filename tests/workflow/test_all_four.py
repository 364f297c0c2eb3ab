"""The four experiments that ship, planned together."""

from __future__ import annotations

from tests.workflow.conftest import Site

FOUR = "cvs", "vqgan3d", "cad_mllm", "eeg"


def test_all_four_are_one_plan(fresh: Site) -> None:
    done = fresh.run("--summary", "--config", f"experiments={','.join(FOUR)}")
    assert done.returncode == 0, done.stderr
    for name in (*FOUR, "cad_mllm_text", "cad_mllm_points"):
        assert f"results/{name}/" in done.stdout, "the stages of the curriculum come along"
    assert not (fresh.folder / "results/cvs").exists()
