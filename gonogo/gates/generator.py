"""The generator gate: is what makes the data good alone, before it makes any?"""

from __future__ import annotations

from gonogo.config.gate_thresholds import GeneratorGate
from gonogo.measurements import Measured
from gonogo.verdict import Check, Status, threshold_check

HINT = "Fit the decoder longer or mend it; no data was made with it."


class Measurements(Measured):
    """Medians over held-out inputs; null where the experiment's generator has no such thing."""

    own_view_psnr_db: float | None = None
    rotated_coverage: float | None = None
    rotated_brightness_ratio: float | None = None
    items: int = 0
    picture: str | None = None


def judge(measured: Measurements, gate: GeneratorGate) -> tuple[list[Check], str]:
    asked = [
        (
            "own_view",
            "Inputs rendered at their own pose, PSNR in dB",
            measured.own_view_psnr_db,
            gate.min_own_view_psnr_db,
            "the decoder does not reproduce the pictures that it is given",
        ),
        (
            "rotated_coverage",
            "Pixels covered 15° off the input's pose",
            measured.rotated_coverage,
            gate.min_rotated_coverage,
            "the decoder's cloud leaves holes when it is seen from the side",
        ),
        (
            "rotated_brightness",
            "Brightness 15° off against the input's",
            measured.rotated_brightness_ratio,
            gate.min_rotated_brightness,
            "the decoder's cloud is dark when it is seen from the side",
        ),
    ]
    checks = [
        threshold_check(
            id_, title, round(value, 3), f">= {least:g}", value >= least, why=f"{why} ({value:.2f})", hint=HINT
        )
        for id_, title, value, least, why in asked
        if value is not None
    ]
    if not checks:
        nothing = Check(id="no_generator", title="Nothing is fitted before data is made", status=Status.GO)
        return [nothing], ""
    return checks, "DECODER" if any(not check.status.passes for check in checks) else ""
