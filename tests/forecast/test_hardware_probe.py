from __future__ import annotations

from gonogo.forecast.hardware_probe import bandwidth_gb_s, tflops_fp32


def test_the_probe_measures_something_plausible() -> None:
    assert 0.001 < tflops_fp32(512) < 50
    assert 0.1 < bandwidth_gb_s(32) < 2000
