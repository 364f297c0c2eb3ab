"""The catalogue's figures are there, sourced and possible; one that cannot be true is refused by its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.config.accelerator import FIGURES, Accelerator, doubts
from gonogo.config.load import load_accelerator
from tests.conftest import ROOT

CATALOGUE: dict[str, Any] = yaml.safe_load((ROOT / "config/accelerators.yaml").read_text())
CARDS = [name for name in CATALOGUE if name != "cpu"]


def card(name: str, **changes: Any) -> Accelerator:
    return Accelerator.model_validate({**CATALOGUE[name], **changes})


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_is_believable_and_sourced(name: str) -> None:
    entry = card(name)
    assert doubts(entry) == []
    assert "20" in entry.source
    assert set(entry.unverified) <= {key for key in FIGURES if getattr(entry, key) is not None}


@pytest.mark.parametrize("name", CARDS)
def test_every_card_has_what_plan_and_forecast_need(name: str) -> None:
    entry = card(name)
    assert entry.visible_bytes and entry.context_bytes and entry.tflops_fp32 and entry.bandwidth_gb_s
    assert entry.architecture not in ("cpu", "other")


def test_each_device_gets_its_own_environment() -> None:
    override = "HSA_OVERRIDE_GFX_VERSION"
    assert override not in card("mi300x").environment and override in card("mi300x").forbidden_environment
    assert card("rx_7800_xt").environment[override] == "11.0.0"
    assert card("rx_7800_xt").forbidden_environment == []


# 2.7 TFLOPS fp32 and 5.4 TF32 were once written into a plan for an H200
@pytest.mark.parametrize("name", ["h200", "mi300x"])
def test_a_peak_that_is_far_too_low_is_flagged(name: str) -> None:
    found = doubts(card(name, tflops_fp32=2.7, tflops_tf32=5.4))
    assert any(line.startswith("tflops_fp32: 2.7 TFLOPS with bandwidth_gb_s") for line in found)
    assert any(line.startswith("tflops_tf32: 5.4") for line in found)


@pytest.mark.parametrize(
    ("name", "changes", "key"),
    [
        ("h100", {"tflops_bf16": 1979, "tflops_fp16": 1979}, "tflops_bf16"),  # with sparsity
        ("a100_80", {"bandwidth_gb_s": 2.0}, "tflops_fp32"),  # TB/s written for GB/s
        ("a100_80", {"visible_bytes": 80}, "visible_bytes"),  # GB written for bytes
        ("t4", {"tflops_fp32": 8100}, "tflops_fp32"),  # GFLOPS written for TFLOPS
        ("l4", {"usd_per_hour": [0.78, 0.44]}, "usd_per_hour"),
        ("l4", {"usd_per_hour": [44, 78]}, "usd_per_hour"),  # cents
        ("l4", {"context_bytes": 5_000_000_000}, "context_bytes"),
        ("l4", {"visible_bytes": None}, "visible_bytes"),
        ("l4", {"sources": {"visible_bytes": "someone said so"}}, "sources.visible_bytes"),
        ("l4", {"unverified": ["tflops"]}, "sources, unverified"),
    ],
)
def test_slips_are_flagged_by_their_key(name: str, changes: dict[str, Any], key: str) -> None:
    assert any(line.startswith(f"{key}: ") for line in doubts(card(name, **changes)))


def load(folder: Path, name: str, entry: dict[str, Any]) -> Accelerator:
    (folder / "accelerators.yaml").write_text(yaml.safe_dump({**CATALOGUE, name: entry}))
    return load_accelerator(folder, name)


def test_the_workflow_refuses_a_doubtful_entry(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"accelerators.yaml: h200: tflops_fp32: 2.7 TFLOPS.*write null"):
        load(tmp_path, "h200", {**CATALOGUE["h200"], "tflops_fp32": 2.7})


def test_an_unknown_or_incomplete_accelerator_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"accelerator: unknown 'MI300'.*did you mean 'mi300x'.*rtx_4090"):
        load_accelerator(ROOT / "config", "MI300")
    without = {key: value for key, value in CATALOGUE["t4"].items() if key != "visible_bytes"}
    with pytest.raises(UserError, match=r"t4.visible_bytes: missing"):
        load(tmp_path, "t4", without)
    with pytest.raises(UserError, match=r"t4.visible_bytes: 0 is wrong"):
        load(tmp_path, "t4", {**without, "visible_bytes": 0})
    with pytest.raises(UserError, match=r"t4.bandwidth_gb_s: nan is wrong"):
        load(tmp_path, "t4", {**CATALOGUE["t4"], "bandwidth_gb_s": float("nan")})
