from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from gonogo.training.logged_metrics import logged_metrics


def field(number: int, content: bytes) -> bytes:
    """A field of bytes in a protocol buffer."""
    return bytes([number << 3 | 2, len(content)]) + content


def event(tag: str, value: float, *, tensor: bool) -> bytes:
    """A TensorBoard record, as SummaryWriter (`simple_value`) or newer writers (a tensor) make them."""
    packed = struct.pack("<f", value)
    content = field(8, b"\x08\x01" + field(5, packed)) if tensor else b"\x15" + packed
    message = b"\x09" + struct.pack("<d", 1.0) + b"\x10\x80\x01" + field(5, field(1, field(1, tag.encode()) + content))
    return struct.pack("<Q", len(message)) + b"head" + message + b"tail"


def test_the_last_value_of_every_metric_is_read(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log/history.csv").write_text("epoch,Val Acc,note\n1,0.5,a\n2,0.75,\n3,,nan\n")
    (tmp_path / "log/events.out.tfevents.1").write_bytes(
        event("loss/train", 2.0, tensor=False)
        + event("loss/train", 0.5, tensor=False)
        + event("psnr", 21.5, tensor=True)
    )
    history = [{"loss": 2.5, "step": 1}, {"eval_loss": 1.25, "step": 2, "epoch": 1.0}]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    assert logged_metrics(tmp_path) == pytest.approx(
        {"Val_Acc": 0.75, "loss_train": 0.5, "psnr": 21.5, "loss": 2.5, "eval_loss": 1.25}
    )


def test_a_damaged_file_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "trainer_state.json").write_text("{")
    (tmp_path / "events.out.tfevents.2").write_bytes(event("good", 1.0, tensor=False)[:-9])
    (tmp_path / "events.out.tfevents.3").write_bytes(struct.pack("<Q", 40) + b"\xff" * 60)
    (tmp_path / "metrics.csv").write_bytes(b"a,b\n1,2\n\x00\xff,3\n")
    assert logged_metrics(tmp_path)["b"] in (2.0, 3.0)
