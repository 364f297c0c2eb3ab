"""What a training survives on the machine: each fault happens for real, to real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from gonogo.agent.checkpoints import is_complete
from gonogo.agent.exit_cause import oom_kills
from tests.faults.training import ONCE, RUN, brisk, counts, launch, said
from tests.remote.workspace import Workspace, end_all
from tests.waiting import wait_for


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Workspace]:
    yield brisk(tmp_path)
    end_all(tmp_path)


def test_child_killed_goes_on_from_its_checkpoint(work: Workspace) -> None:
    launch(work, ONCE + "os.kill(os.getpid(), 9)")
    ended = work.ended()
    assert [attempt["cause"] for attempt in ended["attempts"]] == ["killed", "finished"]
    assert "resumed at 10 with {}" in said(work)
    assert counts(work)


def test_a_time_cap_ends_the_run_and_keeps_its_checkpoint(work: Workspace) -> None:
    launch(work, "if step == 15: time.sleep(60)", max_s=3.0)
    ended = work.ended()
    assert ended["cause"] == "over_time" and ended["elapsed_s"] < 60
    assert is_complete(work.folder / RUN / "out/step_10.ckpt")


def test_child_that_is_always_killed_is_not_started_for_ever(work: Workspace) -> None:
    launch(work, "if step == 15: os.kill(os.getpid(), 9)")
    ended = work.ended()
    assert (ended["cause"], ended["signal"], len(ended["attempts"])) == ("killed", 9, 4)


def test_out_of_memory_walks_the_ladder_and_keeps_the_effective_batch(work: Workspace) -> None:
    full = "if step == 15 and plan.get('micro_batch_size', 8) > 2: raise MemoryError('CUDA out of memory. Tried')"
    ladder = [{"micro_batch_size": 8 // 2**n, "accumulate_grad_batches": 2**n} for n in (1, 2, 3)]
    launch(work, full, ladder=ladder)
    ended = work.ended()
    assert [(a["cause"], a["rung"]) for a in ended["attempts"]] == [("oom", 0), ("oom", 1), ("finished", 2)]
    assert 'resumed at 10 with {"micro_batch_size": 2, "accumulate_grad_batches": 4}' in said(work)
    assert counts(work)


def test_out_of_memory_on_the_last_rung_ends_the_run(work: Workspace) -> None:
    launch(work, "raise MemoryError('out of memory')", ladder=[{"micro_batch_size": 1}])
    assert (work.ended()["cause"], len(work.ended()["attempts"])) == ("oom", 2)


MEMORY = Path("/sys/fs/cgroup/memory")


@pytest.mark.skipif(
    os.geteuid() != 0 or not (MEMORY / "memory.oom_control").exists(), reason="needs root and a memory controller"
)
def test_the_kernels_out_of_memory_killer_is_told_from_any_other(work: Workspace) -> None:
    group = MEMORY / f"gonogo-test-{os.getpid()}"
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(48 << 20))
    before = oom_kills()
    try:
        hungry = f"open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid())); held = b'x' * (96 << 20)"
        launch(work, f"if step == 15 and not plan: {hungry}", ladder=[{"micro_batch_size": 4}])
        ended = work.ended()
        if oom_kills() == before:
            pytest.skip("this kernel does not count what its out-of-memory killer does")
        assert [attempt["cause"] for attempt in ended["attempts"]] == ["oom", "finished"]
    finally:
        wait_for(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


@pytest.mark.parametrize("blow", ["os.abort()", "sys.exit('HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION')"])
def test_device_abort_goes_on_on_the_cpu_retuned(work: Workspace, blow: str) -> None:
    cpu = {"overrides": {"micro_batch_size": 32}, "environment": {"HIP_VISIBLE_DEVICES": "none"}}
    launch(work, f"if step == 15 and 'HIP_VISIBLE_DEVICES' not in os.environ: {blow}", cpu=cpu)
    assert [(a["cause"], a["cpu"]) for a in work.ended()["attempts"]] == [("aborted", False), ("finished", True)]
    assert 'resumed at 10 with {"micro_batch_size": 32}' in said(work)


def test_device_abort_without_a_fallback_ends_the_run(work: Workspace) -> None:
    launch(work, "os.abort()")
    assert (work.ended()["cause"], work.ended()["signal"]) == ("aborted", signal.SIGABRT)


def test_hung_is_killed_and_goes_on(work: Workspace) -> None:
    launch(work, ONCE + "print('still here', flush=True) or time.sleep(60)", first_s=60, stall_s=1.5)
    assert [attempt["cause"] for attempt in work.ended()["attempts"]] == ["stalled", "finished"]
    assert counts(work)


def test_first_batch_has_a_grace_of_its_own(work: Workspace) -> None:
    launch(work, "if step == 1: time.sleep(3)", first_s=20, stall_s=1)
    assert [attempt["cause"] for attempt in work.ended()["attempts"]] == ["finished"]


@pytest.mark.parametrize(("code", "cause"), [(3, "nan"), (4, "stopped_by_gate"), (41, "over_estimate"), (1, "failed")])
def test_what_training_says_itself_is_final(work: Workspace, code: int, cause: str) -> None:
    launch(work, f"if step == 15: os._exit({code})", ladder=[{"micro_batch_size": 1}])
    assert (work.ended()["cause"], work.ended()["code"], len(work.ended()["attempts"])) == (cause, code, 1)


def test_half_written_checkpoint_is_passed_over(work: Workspace) -> None:
    tear = "data = open('out/step_10.ckpt', 'rb').read(); open('out/step_14.ckpt', 'wb').write(data[:-20]); "
    launch(work, ONCE + tear + "os.kill(os.getpid(), 9)")
    assert work.ended()["cause"] == "finished"
    assert "[agent] step_14.ckpt is incomplete and is skipped" in said(work)
    assert "resumed at 10 with {}" in said(work)


def test_torch_checkpoints_are_told_whole_from_torn(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"w": torch.arange(100_000.0)}, "epoch": 3}, path)
    data = path.read_bytes()
    assert is_complete(path)
    for torn in (data[: len(data) // 2], data[:-1], data[:200_000] + b"?" + data[200_001:], b""):
        path.write_bytes(torn)
        assert not is_complete(path)
