from __future__ import annotations

import pytest

from gonogo.config.gate_thresholds import GeneratorGate
from gonogo.gates.generator import Measurements, judge
from gonogo.verdict import Status

GOOD = {"own_view_psnr_db": 28.0, "rotated_coverage": 0.92, "rotated_brightness_ratio": 0.97, "items": 7}


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({}, []),
        ({"own_view_psnr_db": 5.0, "rotated_brightness_ratio": 0.05}, ["own_view", "rotated_brightness"]),
        ({"rotated_coverage": 0.2}, ["rotated_coverage"]),
    ],
)
def test_a_bad_decoder_is_named(changes: dict, failed: list[str]) -> None:
    checks, cause = judge(Measurements(**{**GOOD, **changes}), GeneratorGate())
    assert [check.id for check in checks if check.status is Status.NO_GO] == failed
    assert cause == ("DECODER" if failed else "")


def test_data_without_a_generator_passes() -> None:
    checks, cause = judge(Measurements(), GeneratorGate())
    assert [check.status for check in checks] == [Status.GO] and cause == ""
