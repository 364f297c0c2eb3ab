"""What a run's log says between its lines."""

from __future__ import annotations

import pytest

from gonogo.agent.run_log import utc
from gonogo.stages.log_watcher import LogWatcher


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Warning: Attempting to use hipBLASLt on an unsupported architecture!", "YELLOW: hipBLASLt"),
        ("step 5/10  loss nan  0.1 s/step", "RED: the loss"),
        ("OSError: [Errno 28] No space left on device", "RED: the disk"),
        ("🟡 CAUTION gpu_busy_percent is 12, the median of 1 min", "YELLOW: gpu_busy_percent is 12"),
        ("the nanometre scale of a banana", ""),
        ("step 5/10  epoch 1/2  loss 0.4  0.1 s/step", ""),
    ],
)
def test_anomalies_are_told_once(line: str, told: str) -> None:
    said: list[str] = []
    review = LogWatcher(1.0, None, said.append)
    review.line(f"{utc(1.0)} {line}")
    review.line(f"{utc(2.0)} {line}")
    assert len(said) == bool(told)
    assert "".join(said).startswith(told)


def test_the_estimate_is_renewed_after_the_first_epoch() -> None:
    said: list[str] = []
    review = LogWatcher(2.0, 0.5, said.append)
    review.line(f"{utc(60.0)} step 1/1000  epoch 1/10  loss 0.5  0.1 s/step")
    assert review.left_s is None
    review.line(f"{utc(160.0)} step 51/1000  epoch 1/10  loss 0.5  0.1 s/step")
    assert review.left_s == pytest.approx(949 * 2)
    review.line(f"{utc(260.0)} step 101/1000  epoch 2/10  loss 0.5  0.1 s/step")
    review.line(f"{utc(460.0)} step 201/1000  epoch 3/10  loss 0.5  0.1 s/step")
    assert said == ["after the first epoch: 33 min 18 s and $1.11 in all, forecast 30 min"]


def test_a_run_that_is_taken_up_again_is_measured_anew() -> None:
    review = LogWatcher(1.0, None, print)
    for step, at_s in ((50, 100.0), (90, 140.0), (41, 400.0), (61, 440.0)):
        review.line(f"{utc(at_s)} step {step}/100  epoch 1/2  loss 0.5")
    assert review.left_s == pytest.approx(39 * 2)
