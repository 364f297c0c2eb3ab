"""Two processes, each with a part of the weights (FSDP2): real ones on the processor, by gloo."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest
import torch

from gonogo.training.spec import TrainingResult
from tests.conftest import ROOT
from tests.training.test_ranks import (
    EPOCHS,
    LOST,
    STEPS,
    command,
    ends_and_goes_on,
    environment,
    nothing_left,
    spec,
    trained,
)
from tests.waiting import LIMIT_S


def saved(tmp_path: Path) -> dict[str, torch.Tensor]:
    return torch.load(tmp_path / "out/checkpoints/last.ckpt", weights_only=True)["state_dict"]


@pytest.mark.slow
def test_two_cards_with_half_of_the_weights_each_train_as_one_with_all_of_them(tmp_path: Path) -> None:
    """Blocks, a layer beside them and their moving average, over epochs, validations, checkpoints and a picture."""
    for name, keys in (
        ("two", {"micro_batch_size": 32, "strategy": "fsdp"}),
        ("one", {"micro_batch_size": 64, "devices": 1}),
    ):
        (tmp_path / name).mkdir()
        run = spec(tmp_path / name, kind="Blocks", gradient_clip_val=0.1, **keys)
        done = trained(tmp_path / name, run)
        assert done.returncode == 0, done.stdout
    two, one = saved(tmp_path / "two"), saved(tmp_path / "one")
    assert two.keys() == one.keys(), "whole, and as one card saves them"
    for name, weights in one.items():
        assert torch.allclose(two[name].float(), weights.float(), atol=1e-5), name
    results = [TrainingResult.read(tmp_path / name / "out/training.json") for name in ("two", "one")]
    assert results[0].val_loss == pytest.approx(results[1].val_loss, rel=1e-4)
    assert results[0].parameters == results[1].parameters and results[0].epochs == EPOCHS
    assert (tmp_path / "two/out/samples/epoch_0003/predictions.png").exists()
    nothing_left(tmp_path / "two")


@pytest.mark.slow
@pytest.mark.chain
def test_a_canary_reads_its_checkpoint_back_and_predicts(tmp_path: Path) -> None:
    done = trained(tmp_path, spec(tmp_path, kind="Blocks", strategy="fsdp"), "--max-steps", "3")
    assert done.returncode == 0, done.stdout
    result = TrainingResult.read(tmp_path / "out/training.json")
    assert result.steps == 3 and list(result.phase_peaks_bytes)[-1] == "prediction"
    assert (tmp_path / "out/samples/canary/predictions.png").exists()


@pytest.mark.slow
@pytest.mark.chain
@pytest.mark.parametrize("fault", LOST)
def test_a_card_that_is_lost_ends_the_attempt_and_the_run_goes_on(tmp_path: Path, fault: str) -> None:
    ends_and_goes_on(tmp_path, fault, spec(tmp_path, fault, kind="Blocks", strategy="fsdp"))


@pytest.mark.slow
@pytest.mark.chain
def test_a_checkpoint_is_resumed_by_either(tmp_path: Path) -> None:
    """What two cards with half of the weights each have saved, one card trains on, and the other way round."""
    ends = []
    for first, second in ((2, 1), (1, 2)):
        place = tmp_path / str(first)
        place.mkdir()
        for devices, epochs in ((first, 1), (second, EPOCHS)):
            keys = {"devices": devices, "strategy": "fsdp", "micro_batch_size": 64 // devices, "epochs": epochs}
            last = place / "out/checkpoints/last.ckpt"
            done = trained(place, spec(place, kind="Noted", **keys), *(["--resume", str(last)] if epochs > 1 else []))
            assert done.returncode == 0, done.stdout
        result = TrainingResult.read(place / "out/training.json")
        assert result.epochs == EPOCHS and len(result.train_loss) == EPOCHS - 1
        ends.append(saved(place))
    for name, weights in ends[0].items():
        assert torch.allclose(ends[1][name], weights, atol=1e-5), name


@pytest.mark.slow
@pytest.mark.chain
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_machines_train_together_once_each_is_started(tmp_path: Path, strategy: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    run = spec(tmp_path, kind="Blocks", strategy=strategy, devices=1, num_nodes=2)
    nodes = [
        subprocess.Popen(
            command(tmp_path, run), cwd=ROOT, env={**environment(), **address, "NODE_RANK": str(node)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for node in (0, 1)
    ]  # fmt: skip
    try:
        said = [node.communicate(timeout=LIMIT_S)[0] for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], said
    assert "training ended" in said[0] and "training ended" not in said[1], "the first one writes"
    assert TrainingResult.read(tmp_path / "out/training.json").steps == STEPS
