"""Data of one's own through the workflow: `inputs:` of each experiment, from what is read to the learning gate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.verdict import Verdict
from tests.experiments.cad_mllm.test_omnicad import write_omnicad
from tests.experiments.cvs.test_captures import write_capture
from tests.experiments.eeg.test_recorded import cache
from tests.quality.volumes.test_dicom import write_series
from tests.workflow.conftest import Site
from tests.workflow.test_curriculum import SMALL as SMALL_CAD

LOOSE = {
    "learning": {
        "max_overfit_ratio": 99, "min_skill": -99, "min_input_skill": -99, "output_mean_range": [-99, 99],
        "max_output_mean_shift": 99, "min_output_sigma_ratio": 0,
    },
}  # fmt: skip
SMOKE = {"steps": 4, "overfit_steps": 2, "max_extension": 1}


def captures(folder: Path) -> None:
    for seed in range(8):
        write_capture(folder / f"scene{seed}", count=9, seed=seed)


def series(folder: Path) -> None:
    for seed in range(20):
        write_series(folder / f"patient{seed}", seed)


def caches(folder: Path) -> None:
    for name in ("R1.h5", "release2.h5", "all_release3.h5", "windows_of_release4.h5"):
        cache(folder / name, channels=8)


OWN: dict[str, tuple[Callable[[Path], Any], dict[str, Any]]] = {
    "eeg": (
        caches,
        {
            "dataset_items": 24, "sample_items": 18,
            "settings": {"data": {"recorded": {"target": "p_factors", "unit": "V"}}},
        },
    ),
    "cad_mllm_text": (
        lambda folder: write_omnicad(folder, 30),
        {
            **SMALL_CAD, "dataset_items": 24, "sample_items": 18,
            "settings": {"model": {**SMALL_CAD["settings"]["model"], "max_seq_length": 50}},  # type: ignore[index]
            "gates": {"quality": {"text": {"max_tokens": 50}}},
        },
    ),
    "cvs": (
        captures,
        {
            "dataset_items": 18, "sample_items": 10, "settings": {"data": {"views": 2, "cameras": {"arc_deg": 90}}},
            "gates": {
                "generator": dict.fromkeys(("own_view_psnr_db", "rotated_coverage", "rotated_brightness")),
            },
        },
    ),
    "vqgan3d": (series, {"dataset_items": 20, "sample_items": 18}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment",
    [
        "eeg",
        "cad_mllm_text",
        pytest.param("cvs", marks=pytest.mark.chain),
        pytest.param("vqgan3d", marks=pytest.mark.chain),
    ],
)
def test_own_data_goes_from_what_is_read_to_a_smoke_run(fresh: Site, experiment: str) -> None:
    write, keys = OWN[experiment]
    write(fresh.folder / "data/mine")
    gates = {**LOOSE, **keys.get("gates", {})}
    config = {"extends": experiment, **keys, "inputs": "data/mine", "shards": 1, "smoke": SMOKE, "gates": gates}
    (fresh.folder / "config/experiments/mine.yaml").write_text(yaml.safe_dump(config))
    done = fresh.run("--config", "experiments=mine", "--", "results/mine/learning/verdict.json", timeout_s=900)
    assert "Traceback" not in done.stderr
    verdicts = {path.parent.name: Verdict.read(path) for path in (fresh.folder / "results/mine").rglob("verdict.json")}
    assert done.returncode == 0, done.stderr
    assert verdicts["dataset"].status.passes and "learning" in verdicts
    assert (fresh.folder / "results/mine/assets/inputs.md").read_text().startswith("- ")
    assert "smoke_train" in fresh.stages("mine")
