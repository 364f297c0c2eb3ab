import json
import math
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from torch._subclasses.fake_tensor import FakeTensorMode

from experiments.cvs.data import CVSDataModule, example_batch
from experiments.cvs.ema import MovingAverage
from experiments.cvs.module import CVSModule, learning_rate_factor
from experiments.cvs.predict import mean_view, picture, predict
from experiments.cvs.settings import CVSSettings
from gonogo.base.errors import UserError
from gonogo.config.experiment import Training
from gonogo.learning.ema import ema_is_useful
from tests.experiments.cvs.items import SIZE, VIEWS, small_settings, write_items

SEED, SHARE = 0, 0.2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_items(tmp_path_factory.mktemp("data"), range(10))


def new_module(settings: CVSSettings | None = None, **training: object) -> CVSModule:
    torch.manual_seed(0)
    return CVSModule(settings or small_settings(), Training(**training))


def optimize(module: CVSModule, batch: dict[str, torch.Tensor], steps: int) -> list[float]:
    """Losses of a loop without a Trainer, as the learning gate and the memory trace run it."""
    torch.manual_seed(0)
    optimizer, losses = module.configure_optimizers(), []
    for step in range(steps):
        optimizer.zero_grad()
        loss = module.training_step(batch, step)
        loss.backward()
        optimizer.step()
        module.on_train_batch_end(None, batch, step)
        losses.append(float(loss.detach()))
    return losses


# --- the step ---


def test_a_step_without_a_trainer_gives_every_weight_a_gradient_and_the_average_none() -> None:
    module = new_module()
    optimize(module, example_batch(small_settings(), 2), 2)
    loss = module.training_step(example_batch(small_settings(), 2), 0)
    loss.backward()
    assert loss.isfinite()
    assert [name for name, weight in module.network.named_parameters() if weight.grad is None] == []
    assert not any(weight.requires_grad for weight in module.average.parameters())


def test_checkpointing_changes_no_loss_and_no_gradient() -> None:
    found = []
    for checkpointing in (False, True):
        module = new_module(small_settings(checkpointing=checkpointing))
        torch.manual_seed(1)
        module.training_step(example_batch(small_settings(), 2), 0).backward()
        found.append(torch.cat([weight.grad.flatten() for weight in module.network.parameters()]))
    assert torch.allclose(*found, atol=1e-6) and found[0].abs().max() > 0


def test_the_step_can_be_traced_without_data() -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        module = new_module(small_settings(image_tokens="dinov2"))
        optimizer = module.configure_optimizers()
        for step in range(2):
            batch = example_batch(small_settings(image_tokens="dinov2"), 3)
            loss = module.training_step(batch, step)
            loss.backward()
            optimizer.step()
            module.on_train_batch_end(None, batch, step)
    assert loss.shape == ()


def test_pixels_on_depth_edges_hardly_matter_to_the_loss() -> None:
    settings = small_settings(perceptual_weight=0.0)
    batch = example_batch(settings, 2)
    losses = []
    for weight in (1.0, 0.2):
        torch.manual_seed(1)
        weighted = {**batch, "edge_weight": weight * batch["edge_weight"]}
        losses.append(float(new_module(settings).training_step(weighted, 0).detach()))
    assert losses[0] > 0.1
    assert losses[1] == pytest.approx(0.2 * losses[0], rel=1e-3)


def test_the_run_says_which_perceptual_loss_it_uses(capsys: pytest.CaptureFixture[str]) -> None:
    module = new_module()
    module.on_fit_start()
    assert module.perceptual_name in ("ms-ssim", "lpips-alex")
    assert f"perceptual loss: {module.perceptual_name}" in capsys.readouterr().out


def test_a_picture_that_does_not_divide_into_the_levels_is_refused() -> None:
    settings = small_settings()
    settings.data.image_size = 36
    with pytest.raises(UserError, match=r"image_size: 36 .* multiple of 8"):
        new_module(settings)


# --- the moving average ---


def test_the_average_follows_the_weights_and_warms_up() -> None:
    weights = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(weights.weight)
    average = MovingAverage(weights, decay=0.5, warmup=True)
    torch.nn.init.zeros_(weights.weight)
    initial_share = []
    for _ in range(20):
        average.update_parameters(weights)
        initial_share.append(float(average.module.weight))
    assert initial_share[:2] == pytest.approx([1 / 10, 1 / 10 * 2 / 11])
    assert initial_share[-1] / initial_share[-2] == pytest.approx(0.5)


def test_an_average_is_useful_once_it_has_forgotten_its_beginning() -> None:
    assert not ema_is_useful(0.9999, 1250, warmup=False)  # 88 % of the initial weights are left
    assert not ema_is_useful(0.9999, 23_024, warmup=False)
    assert ema_is_useful(0.9999, 23_025, warmup=False)
    assert ema_is_useful(0.9999, 1250, warmup=True)
    assert not ema_is_useful(0.9999, 0, warmup=True)


def test_prediction_uses_the_average_once_it_is_useful() -> None:
    module, batch = new_module(), example_batch(small_settings(), 2)
    assert module.weights_in_use == "raw"
    optimize(module, batch, 3)
    assert module.weights_in_use == "average"
    before = module.predict_step(batch, 0)
    for weight in module.network.parameters():
        torch.nn.init.normal_(weight)
    assert torch.equal(module.predict_step(batch, 0), before)


# --- prediction ---


def test_predictions_are_pictures_and_do_not_depend_on_the_batch_or_the_moment() -> None:
    module, batch = new_module(), example_batch(small_settings(), 4)
    for weight in module.network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    views = module.predict_step(batch, 0)
    assert views.shape == batch["target"].shape
    assert 0 <= views.min() < views.max() <= 1
    torch.manual_seed(123)
    alone = module.predict_step({name: tensor[2:3] for name, tensor in batch.items()}, 7)
    torch.testing.assert_close(alone[0], views[2], atol=1e-5, rtol=0)


def test_learning_to_shift_beats_both_baselines(folder: Path) -> None:
    """Views of held-out pictures, better than copying the input, which is better than the mean view."""
    settings = small_settings(base_channels=16)
    training = Training(micro_batch_size=16, learning_rate=4e-3, ema_decay=0.9)
    data = CVSDataModule(settings, training, [folder], SEED, SHARE)
    module = new_module(settings, **training.model_dump())
    trainer(max_steps=120).fit(module, datamodule=data)
    batch = next(iter(data.val_dataloader()))
    target, mean = batch["target"], mean_view(data.train_views)
    error, of_copy, of_mean = (
        (guess - target).abs().mean() for guess in (module.predict_step(batch, 0), batch["input"], mean)
    )
    assert error < 0.8 * of_copy < 0.8 * of_mean


def test_on_dark_views_the_loss_falls_and_black_is_learned(tmp_path: Path) -> None:
    write_items(tmp_path, range(4), brightness=0.02)
    data = CVSDataModule(small_settings(), Training(micro_batch_size=8), [tmp_path], SEED, SHARE)
    module = new_module(learning_rate=3e-3)
    batch = next(iter(data.train_dataloader()))
    losses = optimize(module, batch, 120)
    assert np.mean(losses[-10:]) < 0.2 * losses[0]
    assert module.predict_step(batch, 0).mean() < 0.15 * batch["input"].mean()


# --- under a Trainer ---


def trainer(**options: object) -> pl.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(**{**quiet, "max_epochs": -1, "accelerator": "cpu", "enable_checkpointing": False, **options})


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[CVSModule, pl.Trainer, Path]:
    """Two epochs of 8 batches, two batches to an optimizer step."""
    out = tmp_path_factory.mktemp("run")
    module = new_module(micro_batch_size=4, learning_rate=1e-3, warmup_epochs=0.5)
    fit = trainer(
        max_epochs=2,
        accumulate_grad_batches=2,
        enable_checkpointing=True,
        callbacks=[ModelCheckpoint(out, filename="best", monitor="val_loss", save_last=True), Rates()],
    )
    fit.fit(module, datamodule=CVSDataModule(small_settings(), module.plan, [folder], SEED, SHARE))
    return module, fit, out / "last.ckpt"


class Rates(pl.Callback):
    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step > len(self.rates):
            self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


def test_the_trainer_logs_the_terms_and_the_held_out_error(trained) -> None:
    _, fit, _ = trained
    assert {"train_loss", "train_l1", "train_perceptual", "train_consistency", "val_loss"} <= set(fit.callback_metrics)
    assert 0 < fit.callback_metrics["val_loss"] < 1


def test_the_average_moves_once_an_optimizer_step_not_once_a_batch(trained) -> None:
    module, fit, _ = trained
    assert fit.global_step == 8
    assert int(module.average.n_averaged) == 8
    assert module.progress == 1.0


def test_the_learning_rate_rises_then_falls_to_nothing(trained) -> None:
    _, fit, _ = trained
    rates = next(callback.rates for callback in fit.callbacks if isinstance(callback, Rates))
    assert rates == pytest.approx([1e-3 * learning_rate_factor(step, 2, 8) for step in range(1, 9)])
    assert learning_rate_factor(0, 2, 8) == pytest.approx(1 / 3)
    assert max(rates) == pytest.approx(1e-3)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_a_checkpoint_holds_weights_and_average_and_loads_without_pickled_code(trained) -> None:
    module, _, checkpoint = trained
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert {name.split(".")[0] for name in state} == {"network", "average"}
    weights = sum(parameter.numel() for parameter in module.network.parameters())
    assert sum(tensor.numel() for tensor in state.values()) == 2 * weights + 1


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_it_trains_in_lower_precision(folder: Path, precision: str) -> None:
    module = new_module(micro_batch_size=8)
    data = CVSDataModule(small_settings(), module.plan, [folder], SEED, SHARE)
    trainer(max_steps=3, precision=precision, limit_val_batches=1, val_check_interval=3).fit(module, datamodule=data)
    views = module.predict_step(next(iter(data.val_dataloader())), 0)
    assert views.dtype == torch.float32
    assert views.isfinite().all()


# --- a checkpoint's predictions ---


def test_predictions_are_written_in_the_datas_layout_with_their_metrics(trained, folder: Path, tmp_path: Path) -> None:
    module, fit, checkpoint = trained
    metrics = predict(checkpoint, small_settings(), module.plan, [folder], tmp_path, SEED, SHARE)
    data = CVSDataModule(small_settings(), module.plan, [folder], SEED, SHARE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [item.name for item in data.val_items]
    item = data.val_items[0]
    assert len(list((tmp_path / item.name).glob("view_*"))) == VIEWS
    assert (tmp_path / item.name / "input.png").read_bytes() == (item / "input.png").read_bytes()
    pose = json.loads((tmp_path / item.name / "view_001" / "pose.json").read_text())
    assert pose == json.loads((item / "view_001" / "pose.json").read_text())
    batch = data.item_batch(item)
    written = np.asarray(Image.open(tmp_path / item.name / "view_001" / "rgb.png")) / 255
    expected = module.predict_step(batch, 0)[1].permute(1, 2, 0).numpy()
    assert np.abs(written - expected).max() < 1 / 255

    errors = torch.cat(
        [data.item_batch(i)["target"] - module.predict_step(data.item_batch(i), 0) for i in data.val_items]
    )
    assert set(metrics) == {"psnr_db", "l1", "skill", "copy_skill", "copy_psnr_db", "mean_psnr_db"}
    assert metrics["l1"] == pytest.approx(float(errors.abs().mean()), rel=1e-4)
    assert metrics["l1"] == pytest.approx(float(fit.callback_metrics["val_loss"]), rel=1e-4)
    assert metrics["psnr_db"] == pytest.approx(-10 * math.log10(errors.square().mean()), rel=1e-4)
    assert metrics["skill"] > 0  # eight steps from copying the input, which beats the mean
    assert metrics["mean_psnr_db"] < metrics["copy_psnr_db"]


def test_what_is_no_checkpoint_of_this_model_is_refused(trained, folder: Path, tmp_path: Path) -> None:
    module, _, checkpoint = trained
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"broken\.ckpt: no checkpoint of this model"):
        predict(broken, small_settings(), module.plan, [folder], tmp_path, SEED, SHARE)
    with pytest.raises(UserError, match=r"last\.ckpt: no checkpoint of this model"):
        predict(checkpoint, small_settings(base_channels=16), module.plan, [folder], tmp_path, SEED, SHARE)


def test_a_picture_shows_input_prediction_and_target_of_up_to_eight_samples(tmp_path: Path) -> None:
    black, grey, white = (
        torch.zeros(9, 3, SIZE, SIZE),
        torch.full((9, 3, SIZE, SIZE), 0.5),
        torch.ones(9, 3, SIZE, SIZE),
    )
    picture(black, grey, white, tmp_path / "samples" / "predictions.png")
    shown = np.asarray(Image.open(tmp_path / "samples" / "predictions.png"))
    assert shown.shape == (3 * SIZE, 8 * SIZE, 3)
    assert [int(shown[row, 0, 0]) for row in (0, SIZE, 2 * SIZE)] == [0, 128, 255]
