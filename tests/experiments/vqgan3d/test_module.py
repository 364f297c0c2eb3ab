"""The step of both optimizers, the delayed start, the size of the full model, and what a run logs and keeps."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.vqgan3d.module import VQGAN3DModule, loss_table, rate_factor
from experiments.vqgan3d.settings import VQGAN3DSettings
from gonogo.config.experiment import ExperimentConfig, Training
from gonogo.config.load import load
from gonogo.experiment.load import load_experiment
from gonogo.training.lightning_run import train_lightning
from gonogo.training.manual_optimization import optimizers_of, without_trainer
from gonogo.training.spec import RunSpec
from tests.conftest import ROOT
from tests.experiments.vqgan3d.volumes import SMALL, small, write_phantoms


def batch(seed: int = 0, count: int = 2) -> dict[str, Any]:
    patch = torch.rand(count, 1, 16, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return {"input": patch, "target": patch, "volume": ["a"] * count}


def new(settings: VQGAN3DSettings | None = None, **training: Any) -> VQGAN3DModule:
    """A module ready to step without a Trainer."""
    torch.manual_seed(0)
    plan = Training(learning_rate=2e-3, **training)
    module = VQGAN3DModule(settings or small(), plan)
    without_trainer(module, optimizers_of(module), plan.gradient_clip_val)
    return module.train()


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def small_with(**discriminators: Any) -> VQGAN3DSettings:
    return small(model={"discriminators": {"channels": 4, "layers": 1, **discriminators}})


# --- the step ---


def test_before_their_start_the_discriminators_change_nothing_at_all() -> None:
    """Runs with and without adversarial weights are the same to the bit until the start, and differ after it."""
    runs = []
    for weight in (0.0, 1.0):
        settings = small(model={"losses": {"gan_2d": weight, "gan_3d": weight}, "discriminators": {"start_step": 3}})
        module, trail = new(settings), []
        for step in range(5):
            torch.manual_seed(step)
            module.training_step(batch(step), step)
            trail.append(weights(torch.nn.ModuleList([module.encoder, module.decoder])))
        runs.append(trail)
    same = [torch.equal(one, other) for one, other in zip(*runs, strict=True)]
    assert same == [True, True, True, False, False]


def test_before_their_start_the_discriminators_do_not_move_and_take_no_gradient() -> None:
    module = new(small_with(start_step=2))
    first = weights(module.discriminators)
    for step in range(2):
        module.training_step(batch(step), step)
        assert torch.equal(weights(module.discriminators), first)
        assert not any(parameter.requires_grad for parameter in module.discriminators.parameters())
    module.training_step(batch(2), 2)
    assert not torch.equal(weights(module.discriminators), first)


def test_the_generator_gets_no_gradient_of_the_discriminators_loss() -> None:
    module = new(small_with(start_step=0))
    seen: list[float] = []
    _own, adversary = module.optimizers()
    adversary.register_step_pre_hook(
        lambda *_: seen.append(
            sum(float(p.grad.abs().sum()) for p in module.encoder.parameters() if p.grad is not None)
        )
    )
    module.training_step(batch(), 0)
    assert seen == [0.0]


def test_discriminators_tell_real_from_fake_and_the_generator_learns(tmp_path: Path) -> None:
    module = new(small_with(start_step=20))
    losses = [float(module.training_step(batch(), step)) for step in range(60)]
    assert losses[19] < 0.8 * losses[0] and all(torch.isfinite(torch.tensor(losses)))


def test_gradients_are_accumulated_by_hand() -> None:
    module = new(small_with(start_step=0), accumulate_grad_batches=2)
    before = weights(module.decoder)
    module.training_step(batch(), 0)
    assert torch.equal(weights(module.decoder), before)
    module.training_step(batch(1), 1)
    assert not torch.equal(weights(module.decoder), before)


def test_gradients_are_clipped_before_each_step() -> None:
    torch.manual_seed(0)
    module = VQGAN3DModule(small_with(start_step=0), Training(gradient_clip_val=1e-3))
    optimizers, norms = optimizers_of(module), []
    without_trainer(module, optimizers, 1e-3)
    for optimizer in optimizers:
        optimizer.register_step_pre_hook(
            lambda one, *_: norms.append(
                float(torch.nn.utils.get_total_norm([p.grad for g in one.param_groups for p in g["params"]]))
            )
        )
    module.training_step(batch(), 0)
    assert len(norms) == 2 and max(norms) <= 1.01e-3


def test_the_loss_table_names_weights_and_start() -> None:
    settings = small().model
    assert loss_table(settings.losses, 300) == [
        ("l1", 1.0, 0), ("commitment", 0.25, 0), ("gan_2d", 0.01, 300), ("gan_3d", 0.01, 300),
    ]  # fmt: skip


def test_the_rate_rises_and_falls() -> None:
    factors = [rate_factor(step, 10, 100) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 11) and max(factors) == 1.0 and factors[100] == pytest.approx(0)
    assert factors[10:] == sorted(factors[10:], reverse=True) and rate_factor(150, 10, 100) == pytest.approx(0)


def test_checkpointing_changes_no_gradient() -> None:
    found = []
    for checkpointing in (False, True):
        module = new(small(model={"checkpointing": checkpointing, "discriminators": {"start_step": 99}}))
        torch.manual_seed(1)
        module.training_step(batch(), 0)
        found.append(weights(module.decoder))
    assert torch.allclose(*found, atol=1e-6)


# --- the documented size ---


def test_the_default_fits_a_processor() -> None:
    module = VQGAN3DModule(VQGAN3DSettings(), Training())
    assert sum(parameter.numel() for parameter in module.parameters()) == 142_419


def test_the_full_model_has_36_million_parameters() -> None:
    config = load({"experiments": "vqgan3d_full", "mode": "conservative"}, ROOT).experiments["vqgan3d_full"]
    settings = VQGAN3DSettings.model_validate(config.settings)
    with torch.device("meta"):
        module = VQGAN3DModule(settings, config.training)
    counted = sum(parameter.numel() for parameter in module.parameters())
    assert counted == pytest.approx(36.0e6, rel=0.01)
    assert sum(parameter.numel() for parameter in module.discriminators.parameters()) == pytest.approx(13.8e6, rel=0.01)
    assert (settings.model.hidden, settings.model.downsample, settings.model.codebook.width) == (64, 4, 8)


# --- a run ---


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Two epochs of 16 batches, the discriminators from the third step on."""
    folder = tmp_path_factory.mktemp("run")
    write_phantoms(folder / "data", range(6))
    shipped = load({"experiments": "vqgan3d"}, ROOT).experiments["vqgan3d"]
    changes = {
        "settings": SMALL,
        "gates": {},
        "training": {**shipped.training.model_dump(), "epochs": 2, "micro_batch_size": 2},
    }
    config = ExperimentConfig.model_validate({**shipped.model_dump(by_alias=True), **changes})
    experiment = load_experiment("vqgan3d", config, ROOT)
    spec = RunSpec(
        experiment="vqgan3d", experiment_config=config, training=config.training, data=[folder / "data"], seed=0
    )
    result, _, _ = train_lightning(experiment, spec, folder / "out", lambda line: None)
    return folder, (experiment, result)


def rows(folder: Path, column: str) -> list[tuple[int, float]]:
    with (folder / "out/metrics.csv").open() as file:
        return [(int(row["step"]), float(row[column])) for row in csv.DictReader(file) if row.get(column)]


def test_validation_comes_four_times_an_epoch_with_every_figure(run: tuple[Path, Any]) -> None:
    folder, (_, result) = run
    assert result.steps == 32 and result.val_steps == [4, 8, 12, 16, 20, 24, 28, 32]
    for column in ("val_loss", "psnr_db", "ssim", "codebook_usage", "perplexity"):
        assert len(rows(folder, column)) == 8, column
    assert all(0 < value <= 1 for _, value in rows(folder, "codebook_usage"))
    assert all(1 <= value <= 16 for _, value in rows(folder, "perplexity"))


def test_a_global_step_is_a_step_of_the_generator_alone(run: tuple[Path, Any]) -> None:
    _, (_, result) = run
    assert len(result.train_loss) == result.steps == 32


def test_the_best_three_by_psnr_are_kept_and_the_last(run: tuple[Path, Any]) -> None:
    folder, _ = run
    kept = sorted((folder / "out/checkpoints/top").iterdir(), reverse=True)
    values = [float(path.name.split("_")[2]) for path in kept]
    logged = sorted((value for _, value in rows(folder, "psnr_db")), reverse=True)
    assert len(kept) == 3 and values == pytest.approx(logged[:3], abs=1e-4)
    last = torch.load(folder / "out/checkpoints/last.ckpt", weights_only=True)
    assert last["global_step"] == 32 and len(last["optimizer_states"]) == 2


def test_a_checkpoint_predicts_whole_volumes(run: tuple[Path, Any], tmp_path: Path) -> None:
    import nibabel

    folder, (experiment, _) = run
    metrics = experiment.predict(folder / "out/checkpoints/best.ckpt", [folder / "data"], tmp_path, 0)
    assert set(metrics) == {"psnr_db", "ssim", "codebook_usage", "perplexity", "l1", "skill", "mean_psnr_db"}
    written = sorted(path.name for path in tmp_path.iterdir())
    assert len(written) == 2
    for name in written:
        one, other = (nibabel.load(place / name) for place in (tmp_path, folder / "data"))
        assert one.shape == other.shape and (one.affine == other.affine).all()
        assert one.get_fdata().min() >= -1000 and one.get_fdata().max() <= 1000
    assert json.dumps(metrics)  # plain numbers
