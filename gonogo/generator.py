"""The generator gate: is what makes the data good alone, before it makes any?"""

from __future__ import annotations

from gonogo.config import GeneratorGate
from gonogo.measured import Measured
from gonogo.verdict import Check, Status


class Measurements(Measured):
    """Medians over held-out inputs; null where the experiment's generator has no such thing."""

    own_view_psnr_db: float | None = None
    rotated_coverage: float | None = None
    rotated_brightness_ratio: float | None = None
    items: int = 0
    picture: str | None = None


def judge(measured: Measurements, gate: GeneratorGate) -> tuple[list[Check], str]:
    checks = [
        _check(
            "own_view", "Inputs rendered at their own pose, PSNR", measured.own_view_psnr_db, "dB", gate.min_own_view_psnr_db,
            "the decoder does not reproduce the pictures that it is given",
        ),
        _check(
            "rotated_coverage", "Pixels covered 15° off the input's pose", measured.rotated_coverage, "", gate.min_rotated_coverage,
            "the decoder's cloud leaves holes when it is seen from the side",
        ),
        _check(
            "rotated_brightness", "Brightness 15° off against the input's", measured.rotated_brightness_ratio, "",
            gate.min_rotated_brightness, "the decoder's cloud is dark when it is seen from the side",
        ),
    ]  # fmt: skip
    measured_checks = [check for check in checks if check is not None]
    if not measured_checks:
        return [_no_generator()], ""
    return measured_checks, "DECODER" if any(not check.status.passes for check in measured_checks) else ""


def _check(id_: str, title: str, value: float | None, unit: str, least: float, why: str) -> Check | None:
    if value is None:
        return None
    good = value >= least
    return Check(
        id=id_, title=title, value=round(value, 3), unit=unit, threshold=f">= {least:g} {unit}".strip(),
        status=Status.GO if good else Status.NO_GO,
        why="" if good else f"{why} ({value:.2f} {unit}".rstrip() + f", asked: {least:g})",
        hint="" if good else "Fit the decoder longer or mend it; no data was made with it.",
    )  # fmt: skip


def _no_generator() -> Check:
    return Check(
        id="no_generator",
        title="Nothing is fitted before data is made",
        value=True,
        threshold="none",
        status=Status.GO,
    )
