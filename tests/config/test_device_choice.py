"""Which device trains: a GPU that is known to be bad only if it is forced."""

from __future__ import annotations

import pytest

from gonogo.base.errors import UserError
from gonogo.config.accelerator import Accelerator
from gonogo.config.device_choice import HIDDEN, choose
from gonogo.config.gate_thresholds import LaunchGate
from gonogo.config.load import load, load_accelerator
from gonogo.config.target import Target
from gonogo.gates.launch import Measurements, judge
from gonogo.verdict import Status
from tests.conftest import ROOT


def card(name: str) -> Accelerator:
    return load_accelerator(ROOT / "config", name)


def test_a_known_bad_card_gives_way_to_the_processor() -> None:
    found = choose(card("rx_5600_xt"), Target())
    assert found.cpu
    assert "RX 5600 XT" in found.why and "gfx1010 is in no official wheel" in found.why
    assert "5 to 10 times as long" in found.why and "device: accelerator" in found.why


def test_forced_it_is_used_and_its_faults_are_told() -> None:
    found = choose(card("rx_5600_xt"), Target(device="accelerator"))
    assert not found.cpu and "forced" in found.why and "gfx1010" in found.why


def test_a_good_card_is_used_and_one_can_be_left_alone() -> None:
    assert choose(card("mi300x"), Target()) == choose(card("mi300x"), Target(device="accelerator"))
    assert not choose(card("mi300x"), Target()).cpu and not choose(card("mi300x"), Target()).why
    assert choose(card("mi300x"), Target(device="cpu")).cpu
    assert not choose(card("cpu"), Target()).why


def test_a_device_that_is_hidden_and_forced_is_a_contradiction() -> None:
    with pytest.raises(UserError, match="HIP_VISIBLE_DEVICES"):
        choose(card("mi300x"), Target(device="accelerator", environment={"HIP_VISIBLE_DEVICES": ""}))
    assert set(HIDDEN) >= {"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"}


def test_the_run_is_retuned_for_the_processor_and_sees_no_gpu() -> None:
    settings = load({"experiments": "eeg_full", "target": "rx_5600_xt"}, ROOT)
    assert settings.experiments["eeg_full"].training.micro_batch_size == 8
    training = settings.training("eeg_full")
    assert training.micro_batch_size == 32 and training.num_workers == 2
    assert settings.accelerator.is_this_machine
    assert HIDDEN.items() <= settings.target.environment.items()
    assert load({"experiments": "eeg_full"}, ROOT).training("eeg_full").micro_batch_size == 8


def test_the_launch_gate_tells_it_as_a_caution() -> None:
    why = load({"experiments": "eeg_full", "target": "rx_5600_xt"}, ROOT).device.why
    measured = Measurements(
        inputs_digest="", items=[], expected_statement="some", hours=None, usd=None, usd_per_hour=0, budget_usd=20,
        max_hours=1, approval=None, sample_digest="", device_note=why,
    )  # fmt: skip
    check = next(check for check in judge(measured, LaunchGate())[0] if check.id == "device")
    assert check.status is Status.CAUTION and check.value == "CPU" and "5 to 10 times" in check.why
