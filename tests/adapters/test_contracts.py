"""Whatever Lightning, torch and transformers allow works, or is refused in one clear sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

import gonogo
from gonogo.base.errors import UserError
from gonogo.verdict import Verdict
from tests.adapters import projects


def adam(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-2)


def checked(adapter: Any, **options: Any) -> Verdict:
    torch.manual_seed(0)
    return adapter.check(**{"steps": 40, "overfit_steps": 60, "show": False, **options})


class Stream(IterableDataset[Any]):
    """Never ends, and has no length."""

    def __iter__(self) -> Iterator[Any]:
        g = torch.Generator().manual_seed(0)
        weights = torch.randn(10, 2, generator=g)
        while True:
            x = torch.randn(10, generator=g)
            yield x, torch.tanh(x @ weights)


def of(loaders: Any, **changes: Any) -> Any:
    given = {"model": projects.perceptron, "optimizer": adam, "loss": nn.MSELoss(), "loaders": loaders}
    return gonogo.torch(**{**given, **changes})


def test_loaders_without_a_length() -> None:
    verdict = checked(of((DataLoader(Stream(), 16), DataLoader(Stream(), 16))))
    assert "skill" in {check.id for check in verdict.checks}  # both sides are the same stream: LEAKAGE
    assert verdict.cause == "LEAKAGE"


def test_lists_dicts_and_functions_as_loaders() -> None:
    train, held_out = projects.table()
    batches = {"train": list(train), "validation": lambda: [{"x": x, "y": y} for x, y in held_out]}
    assert checked(of({"train": batches["train"], "val": list(held_out)})).go
    as_dicts = [{"x": x, "y": y, "name": "a"} for x, y in train]
    assert checked(of((lambda: as_dicts, batches["validation"]))).go


class Named(projects.ShapesModule):
    """`how`: what its training_step returns."""

    def __init__(self, how: str = "tensor") -> None:
        super().__init__(1e-2)
        self.how = how

    def training_step(self, batch: Any, batch_idx: int) -> Any:  # type: ignore[override]
        loss = self.loss(self(batch[0]), batch[1])
        found: dict[str, Any] = {
            "tensor": loss, "dict": {"loss": loss}, "none": None, "no loss": {"nats": loss},
            "now and then none": None if batch_idx % 5 == 4 else loss,
        }  # fmt: skip
        return found[self.how]


@pytest.mark.parametrize("how", ["tensor", "dict", "now and then none"])
def test_steps_return_what_lightning_allows(how: str) -> None:
    assert checked(gonogo.lightning(Named(how), projects.classified())).go


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("none", r"training_step returned None for the first training batch, at each step: return its loss"),
        ("no loss", r"training_step returned a dict without `loss`, but with nats"),
    ],
)
def test_steps_without_a_loss_are_refused(how: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        checked(gonogo.lightning(Named(how), projects.classified()))


def test_a_batch_encoding_is_a_batch() -> None:
    from transformers import BatchEncoding

    def encoded(loader: Any) -> list[Any]:
        return [BatchEncoding({"input_ids": x, "labels": y}) for x, y in loader]

    class Model(projects.Reader):
        def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> Any:  # type: ignore[override]
            logits, loss = super().forward(input_ids, labels)
            return {"logits": logits, "loss": loss}

    train, held_out = projects.texts()
    verdict = checked(
        gonogo.torch(model=Model(), optimizer=adam, loaders=(encoded(train), encoded(held_out))), steps=80
    )
    assert verdict.go, verdict.summary


def thrice(train: Any) -> list[Any]:
    return [(x, y, y) for x, y in train]


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "one loader": (lambda: of(projects.table()[0]), r"one for training and one for validation are needed"),
    "a generator": (
        lambda: of((iter([]), [])),
        r"the training loader is a list_iterator, which cannot be gone through",
    ),
    "no batch": (lambda: of(([], [])), r"the training loader gives no batch"),
    "three parts": (
        lambda: of((thrice(projects.table()[0]), [])),
        r"a batch is a tuple of 3: .* say which part is what",
    ),
    "no model": (lambda: of(projects.table(), model=3), r"model: a int is no torch.nn.Module"),
    "no loss": (lambda: of(projects.table(), loss=None), r"loss: the model returns none of its own"),
    "a loss per sample": (
        lambda: of(projects.table(), loss=nn.MSELoss(reduction="none")),
        r"loss: it should return one number, and returns float32 \(16, 2\)",
    ),
    "broadcast": (
        lambda: of([[(x, y[:, 0]) for x, y in part] for part in projects.table()], model=lambda: nn.Linear(10, 1)),
        r"loss: the loss is given outputs \(16, 1\) and targets \(16,\)",
    ),
    "an optimizer of another": (lambda: of(projects.table(), optimizer=adam([torch.zeros(1)])), r"optimizer: where a"),
    "no LightningModule": (lambda: gonogo.lightning(projects.perceptron(), ()), r"there is gonogo.torch"),
    "no Trainer": (lambda: gonogo.huggingface(object()), r"a object has no `model`; give a transformers.Trainer"),
    "no card": (lambda: of(projects.table()).check(card="h1000", show=False), r"h1000"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_used_is_said_in_one_sentence(what: str) -> None:
    make, told = REFUSED[what]
    with pytest.raises(UserError, match=told) as said:
        checked(make())
    assert "\n" not in str(said.value)


def test_a_parameter_that_no_optimizer_of_the_project_holds_is_named() -> None:
    model = projects.perceptron()
    left_out = torch.optim.Adam(model[2].parameters(), lr=1e-2)  # type: ignore[index]
    verdict = checked(of(projects.table(), model=model, optimizer=left_out))
    gradients = next(check for check in verdict.checks if check.id == "gradients")
    assert "no optimizer holds `model.0`" in gradients.why


def test_a_module_that_asks_its_trainer_for_more_than_there_is() -> None:
    class Asking(projects.ShapesModule):
        def on_train_start(self) -> None:
            assert isinstance(self.trainer, lightning.Trainer)

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=1e-3 * self.trainer.profiler.action_name)  # type: ignore[attr-defined]

    with pytest.raises(UserError, match=r"Asking asks its Trainer for `profiler`"):
        checked(gonogo.lightning(Asking(1e-2), projects.classified()))


def test_gradients_are_clipped_as_the_project_clips_them() -> None:
    plain = of(projects.table(), optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
    loose, tight = (checked(plain, gradient_clip_val=norm, steps=80) for norm in (10.0, 1e-4))
    (learned, stuck) = (next(c.value for c in verdict.checks if c.id == "skill") for verdict in (loose, tight))
    assert learned > 0.3 and stuck < 0.05
