"""Modules with two optimizers and manual optimization: with a Trainer, without one, and in the memory trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gonogo.config.experiment import Training
from gonogo.learning.overfit import overfit_one_batch
from gonogo.memory.step import step_of
from gonogo.memory.trace import trace_step
from gonogo.training.lightning_run import train_lightning
from gonogo.training.manual_optimization import optimizers_of, without_step_count
from gonogo.training.spec import RunSpec
from tests.toy import SIDE, Toy, ToyModule, config

TRAINING = Training(epochs=2, micro_batch_size=32, learning_rate=0.01, gradient_clip_val=0.5)


class TwoOptimizers(ToyModule):
    """A second network learns to tell outputs from targets, and never touches the first."""

    def __init__(self, training: Training) -> None:
        super().__init__(training, "")
        self.automatic_optimization = False
        self.critic = nn.Linear(SIDE * SIDE, 1)
        self.norms: list[float] = []

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        own, other = self.optimizers()
        loss = super().training_step(batch, index)
        self.manual_backward(loss)
        own.step()
        own.zero_grad()
        with torch.no_grad():
            fake = self(batch[0])
        verdict = self.critic(fake.flatten(1)).mean() - self.critic(batch[1].flatten(1)).mean()
        self.manual_backward(100 * verdict)
        without_step_count(other).step()
        other.zero_grad()
        return loss.detach()

    def configure_optimizers(self) -> Any:
        optimizers = [torch.optim.Adam(part.parameters(), lr=0.01) for part in (self.net, self.critic)]
        for optimizer in optimizers:
            optimizer.register_step_post_hook(self._note)
        return optimizers

    def _note(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.norms.append(float(torch.nn.utils.get_total_norm(gradients)))


class TwoToy(Toy):
    def module(self, training: Training) -> TwoOptimizers:
        return TwoOptimizers(training)


def toy() -> TwoToy:
    return TwoToy("toy", config(), Path())


def spec(**changes: Any) -> RunSpec:
    made = RunSpec(experiment="toy", experiment_config=config(), training=TRAINING, data=[], seed=0)
    return made.model_copy(update=changes)


def test_a_step_is_one_of_the_first_optimizer_and_both_are_clipped(tmp_path: Path) -> None:
    result, module, _ = train_lightning(toy(), spec(), tmp_path, lambda line: None)
    assert (result.steps, result.epochs, len(result.train_loss)) == (4, 2, 4)
    assert len(module.norms) == 8 and max(module.norms) <= 0.501 and min(module.norms[1::2]) > 0.49
    assert train_lightning(toy(), spec(max_steps=7), tmp_path / "more", lambda line: None)[0].steps == 7


def test_a_checkpoint_holds_both_optimizers(tmp_path: Path) -> None:
    train_lightning(toy(), spec(), tmp_path, lambda line: None)
    last = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert len(last["optimizer_states"]) == 2 and last["global_step"] == 4


def test_a_canary_does_one_of_each(tmp_path: Path) -> None:
    result, *_ = train_lightning(toy(), spec(max_steps=4, one_of_each=True), tmp_path, lambda line: None)
    assert result.steps == 4 and result.val_steps
    assert list(result.phase_peaks_bytes) == ["steps", "validation", "checkpoint", "prediction"]


def test_one_batch_alone_is_fitted_and_no_gradient_is_missed() -> None:
    found = overfit_one_batch(toy(), spec(), 80, lambda line: None)
    assert found.ratio is not None and found.ratio < 0.5
    assert len(found.gradients.norms) == found.steps  # one a batch, not one an optimizer
    assert found.gradients.not_optimized == []


def test_the_memory_trace_sees_both() -> None:
    found = trace_step(lambda: step_of(toy(), TRAINING), device="cpu")
    assert found.error == "" and found.events is not None
    size = SIDE * SIDE
    assert found.parameters == size * size + size + size + 1
    state = sum(2 * 4 * count for count in (size * size, size, size, 1))
    kinds = [block for block, kind in found.kinds.items() if kind == "optimizer state"]
    sizes = dict(zip(found.events.block.tolist(), found.events.size.tolist(), strict=True))
    assert len(kinds) >= 8 and state > 0 and sizes
    assert {"forward", "backward", "optimizer"} <= {found.events.phases[p] for p in found.events.phase.tolist()}
    assert "gradients" in found.kinds.values()


def test_the_traced_step_accumulates_as_the_module_does() -> None:
    calls = []

    class Counting(TwoOptimizers):
        def training_step(self, batch: list[Tensor], index: int) -> Tensor:
            calls.append(index)
            return super().training_step(batch, index)

    class CountingToy(TwoToy):
        def module(self, training: Training) -> TwoOptimizers:
            return Counting(training)

    step = step_of(CountingToy("toy", config(), Path()), TRAINING.model_copy(update={"accumulate_grad_batches": 3}))
    assert callable(step.optimizer)
    step.optimizer()
    assert step.run(step.batch) is None and calls == [0, 1, 2]


@pytest.mark.parametrize("shape", ["one", "list", "dict", "pair"])
def test_optimizers_in_every_shape_that_lightning_allows(shape: str) -> None:
    module = ToyModule(TRAINING, "")
    one = torch.optim.SGD(module.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.ConstantLR(one)
    shapes = {
        "one": one,
        "list": [one],
        "dict": {"optimizer": one, "lr_scheduler": schedule},
        "pair": ([one], [schedule]),
    }
    module.configure_optimizers = lambda: shapes[shape]  # type: ignore[method-assign]
    assert optimizers_of(module) == [one]
