"""The task is recognised from one batch: shapes and types, and the loss where these leave it open."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gonogo.adapters.batch_parts import described, inputs_of, outputs_of, resized, targets_of, zeroed
from gonogo.adapters.tasks import Task, broadcast_fault, task_of
from gonogo.base.errors import UserError
from gonogo.experiment.measure import Classes, Quantities, YesNo

G = torch.Generator().manual_seed(0)


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=G)


def ids(*shape: int, below: int) -> Tensor:
    return torch.randint(0, below, shape, generator=G)


def skill(task: Task, outputs: Tensor, targets: Tensor) -> float:
    """As the gate computes it, over one batch."""
    measure, o, t = task.measure, task.outputs(outputs), task.targets(targets)
    mean = measure.mean(*measure.total(t))
    return 1 - float(measure.errors(o, t).mean(0).min() / measure.errors_of_mean(mean, t).mean())


@pytest.mark.parametrize(
    ("outputs", "targets", "count"),
    [
        (random(8, 5), ids(8, below=5), 5),
        (random(8, 5), ids(8, 1, below=5), 5),
        (random(4, 3, 6, 7), ids(4, 6, 7, below=3), 3),
        (random(4, 3, 6, 7), ids(4, 1, 6, 7, below=3), 3),
        (random(4, 9, 30), ids(4, 9, below=30), 30),
        (random(36, 30), ids(4, 9, below=30), 30),
        (random(8, 5), functional.one_hot(ids(8, below=5), 5).float(), 5),
    ],
)
def test_classes(outputs: Tensor, targets: Tensor, count: int) -> None:
    task = task_of(outputs, targets, None, ())
    assert isinstance(task.measure, Classes) and task.measure.count == count
    whole = task.targets(targets)
    right = functional.one_hot(whole, count).float()
    sure = 20 * (right.movedim(-1, 1) if outputs.ndim == right.ndim and outputs.shape[1] == count else right)
    assert skill(task, sure.reshape(outputs.shape), targets) > 0.99
    assert skill(task, outputs, targets) < 0.2
    assert task.measure.remaining(task.outputs(sure.reshape(outputs.shape)), whole) < 1e-6


def test_a_softmax_that_was_applied_is_not_applied_again() -> None:
    logits, targets = 3 * random(64, 4), ids(64, below=4)
    plain, softened = task_of(logits, targets, None, ()), task_of(logits.softmax(1), targets, None, ())
    assert skill(plain, logits, targets) == pytest.approx(skill(softened, logits.softmax(1), targets), abs=1e-4)


def test_what_the_loss_leaves_out_is_left_out() -> None:
    logits, targets = random(6, 4), ids(6, below=4)
    ignored = targets.clone()
    ignored[3:] = -100
    measure = task_of(logits, targets, None, ()).measure
    assert measure.errors(logits, ignored)[:3].equal(measure.errors(logits, targets)[:3])
    assert float(measure.total(ignored)[1]) == 3 and not measure.errors(logits, ignored)[3:].any()


@pytest.mark.parametrize("shifted", [True, False])
def test_a_language_model_that_shifts_its_labels_is_known_by_its_loss(shifted: bool) -> None:
    logits, labels = random(4, 12, 20), ids(4, 12, below=20)
    o, t = (logits[:, :-1], labels[:, 1:]) if shifted else (logits, labels)
    loss = float(functional.cross_entropy(o.flatten(0, 1), t.flatten()))
    task = task_of(logits, labels, loss, ())
    assert task.outputs(logits).shape[1] == task.targets(labels).shape[1] == (11 if shifted else 12)
    mean = float(task.measure.errors(task.outputs(logits), task.targets(labels)).mean())
    assert mean == pytest.approx(loss, rel=1e-5)


def test_masks_and_their_share() -> None:
    mask = (torch.rand(6, 1, 8, 8, generator=G) < 0.126).float()
    logits = 10 * mask - 5
    task = task_of(logits, mask, None, ())
    assert isinstance(task.measure, YesNo) and skill(task, logits, mask) > 0.9
    assert skill(task, torch.full_like(mask, -5), mask) < 0  # to say nowhere is no skill, however rare they are
    sigmoid = task_of(logits.sigmoid(), mask, float(functional.binary_cross_entropy(logits.sigmoid(), mask)), ())
    assert skill(sigmoid, logits.sigmoid(), mask) == pytest.approx(skill(task, logits, mask), abs=1e-3)
    assert isinstance(task_of(random(9), ids(9, below=2), None, ()).measure, YesNo)


def test_quantities_of_any_scale_count_alike() -> None:
    targets = torch.stack([1e6 + 1e5 * random(200), 1e-3 * random(200)], 1)
    task = task_of(random(200, 2), targets, None, ())
    assert isinstance(task.measure, Quantities)
    half = torch.stack([targets[:, 0], torch.zeros(200)], 1)  # all of the large column, nothing of the small one
    assert skill(task, half, targets) == pytest.approx(0.5, abs=0.01)
    assert task.measure.remaining(half, targets) == pytest.approx(0.5, abs=0.01)


def test_no_constant_has_skill() -> None:
    targets = torch.rand(500, 1, generator=G) ** 6  # skewed: by absolute error the median beats the mean
    task = task_of(random(500, 1), targets, None, ())
    assert max(skill(task, torch.full_like(targets, value), targets) for value in (0.0, 0.01, 0.1, 0.3)) <= 0


def test_what_does_not_fit_is_said_in_one_sentence() -> None:
    with pytest.raises(UserError, match=r"outputs are float32 \(4, 7\), targets float32 \(4, 3\): they cannot be held"):
        task_of(random(4, 7), random(4, 3), None, ())


def test_a_loss_that_broadcasts_is_found() -> None:
    outputs, targets = random(16, 1), random(16)
    assert "each output is held against every target" in broadcast_fault(nn.MSELoss(), outputs, targets)
    assert not broadcast_fault(nn.MSELoss(), outputs, targets.unsqueeze(1))
    assert not broadcast_fault(lambda o, t: (o.squeeze(1) - t.reshape(-1)).square().mean(), outputs, targets)


# --- parts of a batch ---


@pytest.mark.parametrize(
    ("batch", "read", "wanted"),
    [
        ((1, 2), 1, 2),
        ([1, 2], 1, 2),
        (((1, 9), 2), 1, 2),
        ({"image": 1, "label": 2, "path": "a"}, 1, 2),
        ({"input_ids": 1, "attention_mask": 3, "labels": 2}, 1, 2),
        ({"pixel_values": 1, "labels": 2}, 1, 2),
        ({"input_ids": 1, "attention_mask": 3}, 1, 1),
    ],
)
def test_parts_are_told_from_the_shape_of_a_batch(batch: Any, read: int, wanted: int) -> None:
    def tensors(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: tensors(value) for key, value in part.items()}
        if isinstance(part, (list, tuple)):
            return type(part)(map(tensors, part))
        return torch.full((3, 2), part) if isinstance(part, int) else part

    made = tensors(batch)
    assert int(inputs_of(made)[0, 0]) == read and int(targets_of(made)[0, 0]) == wanted


@pytest.mark.parametrize("batch", [(random(3), random(3), random(3)), {"a": random(3)}, "text", [random(3)]])
def test_parts_that_cannot_be_told_are_asked_for(batch: Any) -> None:
    with pytest.raises(UserError, match=r"a batch is .*: .* cannot be told from that; say which part is what: inputs="):
        inputs_of(batch), targets_of(batch)


def test_outputs_of_models() -> None:
    logits = random(3, 2)
    for found in (logits, (logits, None), {"loss": random(1)[0], "logits": logits}, (random(1)[0], logits)):
        assert outputs_of(found) is logits
    with pytest.raises(UserError, match=r"the model returns a NoneType: .* say predict="):
        outputs_of(None)


def test_the_input_is_zeroed_and_nothing_else() -> None:
    batch = {"x": random(4, 3), "mask": torch.ones(4), "labels": ids(4, below=3)}
    blind = zeroed(batch, batch["x"], batch["labels"])
    assert not blind["x"].any() and blind["mask"].all() and blind["labels"] is batch["labels"]
    whole = random(4, 6)
    assert not zeroed((whole, batch["labels"]), whole[:, :3], batch["labels"])[0].any()  # a part of it was read
    assert resized(batch, 4, 10)["x"].shape == (10, 3) and resized(batch, 4, 2)["labels"].shape == (2,)
    assert described(batch).startswith("a dict of x: float32 (4, 3), mask:")
