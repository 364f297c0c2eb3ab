"""Every way to fail, trained for real on photographs or numbers: each is called by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.verdict import Status, worst
from tests.learning.fixtures import EXPECTED, Family, outcome

QUICK: dict[str, Family] = {"good": "conv", "dark": "mlp", "shuffled": "mlp", "zeroed_input": "mlp", "noise": "mlp"}


@pytest.mark.parametrize("fixture", EXPECTED)
def test_the_cause_is_named(tmp_path: Path, fixture: str) -> None:
    found = outcome(fixture, QUICK.get(fixture, "vectors"), 0, tmp_path)
    assert found.cause == EXPECTED[fixture], {check.id: (check.value, check.why) for check in found.checks}
    assert (worst(check.status for check in found.checks).passes) == (fixture == "good")
    for check in found.checks:
        assert check.status is Status.GO or check.why, check
        assert check.status is not Status.NO_GO or check.hint, check


def test_dark_pictures_are_learned_well_and_yet_refused(tmp_path: Path) -> None:
    found = outcome("dark", "mlp", 1, tmp_path)
    loss_fall = next(check for check in found.checks if check.id == "loss_fall")
    assert loss_fall.value > 50 and (found.measured.end.skill or 0) > 0.3 and found.cause == "DATA"


def test_the_unconnected_module_is_named(tmp_path: Path) -> None:
    found = outcome("disconnected", "vectors", 0, tmp_path)
    check = next(check for check in found.checks if check.id == "gradients")
    assert "`body.0`" in check.why and check.value == 2
