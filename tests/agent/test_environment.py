"""Installing on the machine: what takes too long is ended, whatever it has started."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gonogo.agent import environment
from gonogo.agent.json_files import Problem


def test_what_left_the_installations_group_holds_up_nothing(tmp_path: Path) -> None:
    lock, began = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT), time.monotonic()
    with pytest.raises(Problem, match="had not ended in time, and was ended"):
        environment._run(["sh", "-c", "setsid sleep 30 & sleep 30"], lock, began + 0.3)
    os.close(lock)
    assert time.monotonic() - began < 20, "it waited for the other's output"
