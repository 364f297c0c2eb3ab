"""What a run meets beside its step: validation, its longest batch, a checkpoint, what grows, what is compiled."""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader

from gonogo.config.experiment import Training
from gonogo.config.gate_thresholds import MemoryGate
from gonogo.experiment.step import Step
from gonogo.memory.check import verdict_of
from gonogo.memory.devices import card_of
from gonogo.memory.estimate import MemoryEstimate, estimate, note_saving
from gonogo.memory.families import MEASURED
from gonogo.memory.growth import growth
from gonogo.memory.judge_parts import beside_the_peak
from gonogo.memory.loaders import Loaders, at_most
from gonogo.memory.request import TraceRequest
from gonogo.memory.step import lightning_step
from gonogo.memory.trace import trace_step
from gonogo.memory.trace_result import Traced
from gonogo.verdict import Check, Status
from tests.memory.cards import card
from tests.memory.synthetic import events
from tests.toy import PairData, Toy, ToyModule
from tests.toy import config as toy_config

WIDTH = 1024
CONVOLUTIONAL = ("ConvNeXt", "Mnas", "Mobe", "RegNet", "ResNet", "VGG")
DATA = [Path("data")]


class Wide(ToyModule):
    """A layer of which each sample keeps 4 KB."""

    def __init__(self, training: Training) -> None:
        super().__init__(training, "")
        self.net = nn.Sequential(nn.Linear(8, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
        self.kept: list[Tensor] = []

    def training_step(self, batch: Any, index: int) -> Tensor:
        return self.net(batch[0]).square().mean()

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_loss", self.net(batch[0]).abs().mean().item())


class Case(Toy):
    """A toy whose module and loaders the test gives."""

    wide: ClassVar[type[Wide]] = Wide
    train: ClassVar[Any] = None
    held_out: ClassVar[Any] = None

    def module(self, training: Training) -> Any:
        return type(self).wide(training)

    def datamodule(self, training: Training, data: Sequence[Path], seed: int) -> Any:
        made = PairData(None, None, training.micro_batch_size)  # type: ignore[arg-type]
        made.train_dataloader = lambda: type(self).train or rows(4, 64)  # type: ignore[method-assign]
        made.val_dataloader = lambda: type(self).held_out or rows(4, 64)  # type: ignore[method-assign]
        return made

    def example_batch(self, batch_size: int) -> list[Tensor]:
        return [torch.zeros(batch_size, 8)]


def rows(batch_size: int, count: int, length: Callable[[int], int] | None = None) -> DataLoader[Any]:
    """Items of 8 numbers; or of so many rows of 8, padded to the longest of a batch."""

    def collate(items: list[Tensor]) -> list[Tensor]:
        if length is None:
            return [torch.stack(items)]
        return [nn.utils.rnn.pad_sequence(items, batch_first=True)]

    data: Any = [torch.zeros(*(() if length is None else (length(i),)), 8) for i in range(count)]
    return DataLoader(data, batch_size, collate_fn=collate)


def traced(monkeypatch: pytest.MonkeyPatch, wide: type[Wide] = Wide, train: Any = None, held_out: Any = None) -> Traced:
    for name, value in {"wide": wide, "train": train, "held_out": held_out}.items():
        monkeypatch.setattr(Case, name, value)
    training = Training(micro_batch_size=4, epochs=2)
    own = Case("case", toy_config(), Path())
    beside = Loaders(own, DATA, 0, training).batches(training)
    found = trace_step(lambda: lightning_step(own, training, beside))
    assert not found.error, found.error
    return found


def judged(found: Traced, gigabytes: float = 16) -> dict[str, Check]:
    on, training = card(gigabytes), Training(micro_batch_size=4)
    verdict = verdict_of(estimate(found, training, on), training, on, "case", MemoryGate())
    return {check.id: check for check in verdict.checks}


def test_validation_with_its_own_batch_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    found = traced(monkeypatch, held_out=rows(100_000, 100_000))
    checks = judged(found, 0.9)  # the step needs 0.52 GB, validation 0.8 GB of activations more
    assert checks["peak_memory"].status is Status.NO_GO
    assert (
        "run out of memory in validation" in checks["peak_memory"].why
        and "training step fits" in checks["peak_memory"].why
    )
    parts = judged(found)["parts"]
    assert parts.status is Status.GO and "batches of 100000" in parts.why and "validation 1" in str(parts.value)
    small = judged(traced(monkeypatch), 0.9)
    assert small["peak_memory"].status is not Status.NO_GO


class Keeping(Wide):
    def validation_step(self, batch: Any, index: int) -> None:
        self.kept.append(self.net[0](batch[0]))


def test_outputs_that_a_whole_validation_keeps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = rows(1000, 100_000)  # 100 batches, each of which leaves 4 MB
    peak = traced(monkeypatch, Keeping, held_out=held_out)
    once = traced(monkeypatch, held_out=held_out)
    assert peak.events is not None and once.events is not None
    assert peak.events.live_bytes().max() - once.events.live_bytes().max() == pytest.approx(400e6, rel=0.05)


def test_the_longest_batch_that_the_loader_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    train = rows(4, 1000, lambda i: 60_000 if i == 577 else 5_000 if i % 50 == 3 else 40)
    found = traced(monkeypatch, train=train)
    assert [*found.batches.values()] == ["5000×8 (99 of 100 are no longer)", "60000×8 (the longest)"]
    why = judged(found, 1.5)["peak_memory"].why
    assert "run out of memory at 60000×8 (the longest)" in why and "5000×8 (99 of 100 are no longer) fits" in why
    assert "1,000 of 1,000 items, batches differ in shape" in judged(found)["parts"].why
    assert not traced(monkeypatch).batches


class Leaking(Wide):
    def training_step(self, batch: Any, index: int) -> Tensor:
        out = self.net[0](batch[0])
        self.kept.append(out.detach())
        return out.square().mean()


class Clearing(Leaking):
    def on_train_epoch_end(self) -> None:
        self.kept.clear()


class Losses(Wide):
    def training_step(self, batch: Any, index: int) -> Tensor:
        loss = super().training_step(batch, index)
        self.kept.append(loss if type(self) is Losses else loss.detach())
        return loss


class Detached(Losses):
    pass


def test_memory_that_grows_is_stopped_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    found = traced(monkeypatch, Leaking)
    assert found.growth is not None and found.growth.bytes_per_step == 4 * WIDTH * 4
    found.planned_steps = 10_000_000
    check = judged(found)["growth"]
    assert check.status is Status.NO_GO and "Linear at test_beside_the_step.py:" in check.why
    assert "full after" in check.why and "16,384 B a step" in check.why
    found.planned_steps = 1000  # 16 MB in all
    assert "growth" not in judged(found)


def test_a_graph_that_is_kept_is_stopped_and_a_number_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = traced(monkeypatch, Losses)
    assert kept.growth is not None and kept.growth.graph_nodes > 5
    assert "its graph of" in judged(kept)["growth"].why
    assert "growth" not in judged(traced(monkeypatch, Detached))


def test_what_the_end_of_an_epoch_releases_is_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    found = traced(monkeypatch, Clearing)
    assert found.growth is not None and found.growth.ends_with_epoch and found.epoch_steps == 16
    assert "growth" not in judged(found)


class Copying(Wide):
    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["copy"] = {name: value.clone() for name, value in self.state_dict().items()}


def test_a_checkpoint_that_copies_the_state(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, copying = (judged(traced(monkeypatch, wide))["parts"] for wide in (Wide, Copying))
    assert "checkpoint" in str(copying.value) and "checkpoint" not in plain.why
    found = traced(monkeypatch, Copying)
    assert found.events is not None
    chosen = found.events.phase == found.events.phases.index("checkpoint")
    assert found.events.size[chosen & (found.events.size > 0)].sum() == 4 * (9 * WIDTH + WIDTH + 1)


class Raising(Wide):
    def validation_step(self, batch: Any, index: int) -> None:
        raise ValueError("no such head")


def test_a_validation_that_cannot_be_traced_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = judged(traced(monkeypatch, Raising))
    assert checks["peak_memory"].status is Status.GO
    assert checks["parts"].status is Status.CAUTION and "ValueError: no such head" in checks["parts"].why


class Counting(Wide):
    def validation_step(self, batch: Any, index: int) -> None:
        torch.bincount(self.net(batch[0]).argmax(1))


def test_metrics_for_want_of_values_are_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = judged(traced(monkeypatch, Counting))["parts"]
    assert parts.status is Status.GO and "validation was traced up to aten.bincount" in parts.why


class Compiled(Wide):
    def __init__(self, training: Training) -> None:
        super().__init__(training)
        self.net = torch.compile(self.net, mode="reduce-overhead")


def test_a_compiled_step_is_traced_as_eager_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = traced(monkeypatch, Compiled)
    check = judged(found)["compiled"]
    assert check.status is Status.CAUTION and "CUDA graphs" in str(check.value) and "eager" in check.why
    assert found.operations == traced(monkeypatch).operations


def test_a_request_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = traced(monkeypatch, Leaking, train=rows(4, 20, lambda i: 1 + i))
    found.save(tmp_path)
    again = Traced.load(tmp_path)
    assert (again.batches, again.growth, again.looked) == (found.batches, found.growth, found.looked)
    order = TraceRequest(data=DATA, seed=3)
    assert TraceRequest.model_validate_json(order.model_dump_json(by_alias=True)) == order


class Packed(Wide):
    """A frozen base at 4 bits, its norms cast to 32."""

    def __init__(self, training: Training) -> None:
        super().__init__(training)
        self.register_buffer("base", torch.zeros(1 << 20, dtype=torch.uint8))
        self.norm = nn.Parameter(torch.ones(1 << 18), requires_grad=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.net.parameters())


def test_weights_of_few_bits_have_lines_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = traced(monkeypatch, Packed)
    assert found.loading_bytes == (1 << 21) * 2  # two weights a byte, two bytes each before they are packed
    needed = estimate(found, Training(), card(16))
    assert needed.components_bytes["frozen weights cast to 32 bits"] == 4 << 18
    assert judged(found)["loading"].status is Status.GO and judged(found, 0.003)["loading"].status is Status.CAUTION
    assert "loading" not in judged(traced(monkeypatch))


class Recomputing(Wide):
    """Checkpointing that keeps as much as it saves."""

    def training_step(self, batch: Any, index: int) -> Tensor:
        return checkpoint(self.net, batch[0], use_reentrant=False).square().mean()


def test_checkpointing_that_saves_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = traced(monkeypatch, Recomputing)
    assert found.checkpointed == 2
    on, training = card(), Training(micro_batch_size=4)
    own = Case("case", toy_config(), Path())
    plain = trace_step(lambda: lightning_step(own, training), plain=True)
    saving = estimate(found, training, on)
    note_saving(saving, estimate(plain, training, on))
    (check,) = [
        check for check in beside_the_peak(saving, on.visible_bytes, MemoryGate()) if check.id == "checkpointing"
    ]
    assert check.status is Status.CAUTION and check.value == "saves 0.0 GB here"


def test_each_estimate_says_what_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    why = judged(traced(monkeypatch))["parts"].why
    assert "2 optimizer steps of micro-batch 4 were traced" in why
    assert "no measured peak is of a network of this kind" in why


def test_the_stated_ranges_are_those_of_the_measured_peaks(root: Path) -> None:
    rows = json.loads((root / "benchmarks/memory.json").read_text())["cases"]
    for family, (count, below, above, farthest) in MEASURED.items():
        signed = [
            100 * (row["measured_bytes"] / row["predicted_bytes"] - 1)
            for row in rows
            if not row["oom"] and row["model"].startswith(CONVOLUTIONAL) == (family == "convolutional")
        ]
        twentieths = statistics.quantiles(signed, n=20, method="inclusive")
        assert count == len(signed)
        assert (below, above) == pytest.approx((twentieths[0], twentieths[-1]), abs=0.05)
        assert farthest == pytest.approx(max(signed, key=abs), abs=0.05)


@pytest.mark.parametrize(("card_gb", "said"), [(1.16, True), (1.3, False)])
def test_an_error_as_large_as_any_measured_is_never_without_caution(card_gb: float, said: bool) -> None:
    """Of a GO too, whose margin is half of what one convolutional network needed beyond its estimate."""
    needed = 10 * 10**9
    found = MemoryEstimate(
        micro_batch_size=1, accumulate_grad_batches=1, precision="32-true", reserved_bytes=needed, fits=True,
        family="convolutional",
    )  # fmt: skip
    checks = {check.id: check for check in beside_the_peak(found, int(card_gb * needed), MemoryGate())}
    assert ("farthest_error" in checks) is said
    if said:
        assert (
            checks["farthest_error"].status is Status.CAUTION
            and "the farthest at +20 %" in checks["farthest_error"].why
        )


@pytest.mark.parametrize(
    ("kept_bytes", "planned", "status"),
    [
        (1 << 20, 0, Status.NO_GO),
        (1 << 20, 1_000, None),
        (1 << 20, 1_000_000, Status.NO_GO),
        (40_000, 0, Status.CAUTION),
        (4, 0, None),
    ],
)
def test_growth_is_held_against_the_length_of_the_run(kept_bytes: int, planned: int, status: Status | None) -> None:
    """Of a script, events alone: four steps, of which each keeps a block and another lets go of its own."""
    blocks = [(2 * step, kept_bytes) for step in range(4)]
    changes = [change for block, size in blocks for change in ((block, size), (block + 1, 9000), (block + 1, -9000))]
    found = dataclasses.replace(events(changes), step=np.repeat(np.arange(4, dtype=np.int16), 3))
    grown = growth(found)
    assert grown is not None and grown.bytes_per_step == max(kept_bytes, 512)
    checks = judged(Traced(1, 1, "32-true", events=found, growth=grown, planned_steps=planned))
    assert (checks["growth"].status if "growth" in checks else None) is status
    assert growth(found, 6) is None  # two steps tell nothing


def test_loaders_that_cannot_be_read_cost_nothing_but_their_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: Any) -> None:
        raise MemoryError("all of the RAM")

    monkeypatch.setattr(Case, "datamodule", too_much)
    why = judged(traced(monkeypatch))["parts"].why
    assert "the loaders were not read (MemoryError: all of the RAM)" in why
    with pytest.raises(TimeoutError, match="longer than 0 s"), at_most(0.05):
        time.sleep(20)


def test_convolutions_have_a_second_figure_with_their_fastest_algorithms() -> None:
    image, width = 4 * 3 * 64 * 64, 16 * 64 * 64

    def build(kernel: int) -> Callable[[], Step]:
        def make() -> Step:
            net = nn.Conv2d(3, 16, kernel, padding=kernel // 2, bias=False)
            return Step(
                model=net, optimizer=torch.optim.SGD(net.parameters()), run=lambda x: net(x).square().mean(),
                batch=torch.zeros(4, 3, 64, 64), micro_batch_size=4,
            )  # fmt: skip

        return make

    found = trace_step(build(3))
    assert found.workspaces[0][1] == 4 * (image + 16 * 27 + 4 * width)  # operands and result, channels last
    assert not trace_step(build(1)).workspaces
    amd = trace_step(build(3), card=card_of("cdna3"))
    assert amd.workspaces[0][1] == 4 * 27 * 64 * 64  # im2col of one image
    wide = estimate(
        dataclasses.replace(found, workspaces=[(row, 1 << 30) for row, _ in found.workspaces]), Training(), card(16)
    )
    assert wide.fastest_bytes is not None and wide.needed_bytes is not None
    assert wide.fastest_bytes - wide.needed_bytes == pytest.approx(1 << 30, rel=0.05)
    (check,) = [check for check in beside_the_peak(wide, 16 * 10**9, MemoryGate()) if check.id == "workspaces"]
    assert check.status is Status.CAUTION and "of workspace" in check.why
    assert all(check.id != "workspaces" for check in judged(found).values())
