"""Flags in a log: a fixture for each, with its colour."""

from __future__ import annotations

import pytest

from gonogo.report.log_flags import EVENTS, flag_of, flags
from gonogo.verdict import Status

LINES = [
    ("step 12/300  epoch 1/10  loss nan  0.2 s/step", Status.NO_GO, "NaN"),
    ("the loss is inf at step 7", Status.NO_GO, "NaN"),
    ("torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB", Status.NO_GO, "Halve micro_batch_size"),
    ("OSError: [Errno 28] No space left on device", Status.NO_GO, "disk is full"),
    ("HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to access memory", Status.CAUTION, "faulted"),
    ("[agent] ended as 'aborted'; resuming", Status.CAUTION, "the CPU goes on"),
    ("[agent] ended as 'killed'; resuming", Status.CAUTION, "resumed"),
    ("[agent] last.ckpt is incomplete and is skipped", Status.CAUTION, "resumed"),
    ("training ended: 300 steps in 60 s; finished", Status.GO, "ran to its end"),
]


@pytest.mark.parametrize(("line", "status", "meaning"), LINES)
def test_each_line_raises_its_flag(line: str, status: Status, meaning: str) -> None:
    flag = flag_of(f"2026-01-01T00:00:00.000Z {line}")
    assert flag is not None and flag.status is status and meaning in flag.meaning


def test_every_flag_has_a_fixture() -> None:
    """The known errors have theirs in tests/base/test_known_errors.py."""
    assert {meaning for _, meaning in EVENTS.values()} <= {
        flag.meaning for line, _, _ in LINES if (flag := flag_of(line))
    }


def test_a_line_cannot_draw_on_the_terminal() -> None:
    flag = flag_of("\x1b[2J\x1b]0;owned\x07CUDA out of memory\r")
    assert flag is not None and flag.line == "CUDA out of memory"


@pytest.mark.parametrize(
    "line",
    ["step 3/300  epoch 1/10  loss 0.4213  0.2 s/step", "reading financial_nano_data.h5", "perceptual loss: ms-ssim"],
)
def test_an_ordinary_line_raises_none(line: str) -> None:
    assert flag_of(line) is None


def test_a_log_is_reviewed_gravest_first_and_each_flag_once() -> None:
    statuses = [flag.status for flag in flags([line for line, _, _ in reversed(LINES)] * 2)]
    assert statuses == [Status.NO_GO] * 3 + [Status.CAUTION] * 3 + [Status.GO]


def test_the_expected_fallback_is_yellow_and_never_red() -> None:
    log = [
        "step 1/300  loss 0.5", "HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION",
        "[agent] ended as 'aborted'; resuming", "step 300/300  loss 0.1",
        "training ended: 300 steps in 600 s; finished",
    ]  # fmt: skip
    assert [flag.status for flag in flags(log)] == [Status.CAUTION, Status.CAUTION, Status.GO]
