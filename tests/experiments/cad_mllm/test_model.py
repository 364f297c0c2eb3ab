from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from experiments.cad_mllm.base import WEIGHTS, base_model
from experiments.cad_mllm.data import example_batch
from experiments.cad_mllm.datamodule import CADDataModule
from experiments.cad_mllm.encoders import Perceiver, embedded, load_encoder
from experiments.cad_mllm.model import ADAPTED, trainable, trainable_report, with_adapters
from experiments.cad_mllm.settings import CADSettings, Lora, PointEncoder
from experiments.cad_mllm.tokens import tokens_of
from gonogo.base.errors import UserError
from gonogo.config.load import load_experiment, validate
from gonogo.experiment.pretrained import Asset
from tests.conftest import ROOT
from tests.experiments.cad_mllm.small import TRAINING, experiment_of, new_module, settings_of

QWEN3_8B = 8_190_735_360


def batch_of(parts: Path, stage: str) -> dict[str, torch.Tensor]:
    return next(iter(CADDataModule(settings_of(stage), TRAINING, [parts], 0, 0.2).val_dataloader()))


def test_only_adapters_and_projectors_learn_and_all_of_them_do(assets: Path, parts: Path) -> None:
    module = new_module("image", assets)
    for step in range(2):  # adapters begin at zero: their first half gets its gradient from the second step on
        module.zero_grad()
        module.training_step(example_or(parts), step).backward()
        optimizer = module.configure_optimizers()
        optimizer.step()
    learning = trainable(module)
    assert {name for name, p in module.named_parameters() if p.grad is not None} == set(learning)
    assert all("lora_" in name or "projectors." in name for name in learning)
    report = trainable_report(module.model)
    assert report["adapters"] + report["projectors"] == sum(p.numel() for p in learning.values())
    adapted = {name.split(".lora_")[0].rsplit(".", 1)[1] for name in learning if "lora_" in name}
    assert adapted == set(ADAPTED)


def example_or(parts: Path) -> dict[str, torch.Tensor]:
    return batch_of(parts, "image")


def test_projectors_learn_five_times_as_fast() -> None:
    groups = {group["name"]: group for group in new_module("points", None).configure_optimizers().param_groups}
    assert groups["projectors"]["lr"] == pytest.approx(5 * groups["adapters"]["lr"])
    slower = {g["name"]: g for g in new_module("points", None, projector_rate=2).configure_optimizers().param_groups}
    assert slower["projectors"]["lr"] == pytest.approx(2 * groups["adapters"]["lr"])


def test_the_report_of_what_learns_is_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    module = new_module("points", None)
    module.on_fit_start()
    said = capsys.readouterr().out
    assert (
        f"projectors {trainable_report(module.model)['projectors']:,}" in said
        and "base and encoders are frozen" in said
    )


def test_eight_billion_weights_have_their_published_number() -> None:
    config = load_experiment(ROOT / "config/experiments", "cad_mllm_8b")
    model = validate(CADSettings, config.settings, "cad_mllm_8b").model
    with torch.device("meta"):
        base = base_model(model.base, tokens_of(None))
        assert sum(p.numel() for p in base.parameters()) == QWEN3_8B
        adapted = with_adapters(base, model.lora)
    learning = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    assert model.lora.r == 32 and learning == 87_293_952


def test_modalities_are_drawn_by_their_shares() -> None:
    module = new_module("image", None)
    random.seed(0)
    drawn = module.drawn(example_batch(settings_of("image"), 4000))
    assert float(drawn["points"].float().mean()) == pytest.approx(0.8, abs=0.03)
    assert float(drawn["image"].float().mean()) == pytest.approx(0.5, abs=0.03)
    assert not (drawn["image"] & ~drawn["points"]).any()


def test_a_modality_that_is_withheld_changes_nothing_by_its_values(assets: Path, parts: Path) -> None:
    model, batch = new_module("points", assets).model.eval(), batch_of(parts, "points")
    withheld = {"points": torch.zeros(len(batch["caption"]), dtype=torch.bool)}
    other = {**batch, "points": torch.randn_like(batch["points"])}
    with torch.no_grad():
        assert torch.equal(model.probabilities(batch, withheld), model.probabilities(other, withheld))
        assert not torch.allclose(model.probabilities(batch), model.probabilities(other))


def test_predictions_are_probabilities_up_to_the_programs_end(assets: Path, parts: Path) -> None:
    batch = batch_of(parts, "text")
    with torch.no_grad():
        found = new_module("text", assets).eval().predict_step(batch, 0)
    assert found.shape == batch["target"].shape
    assert found.sum(-1) == pytest.approx(batch["target"].sum(-1), abs=1e-4)


def test_padding_on_the_left_does_not_matter(assets: Path, parts: Path) -> None:
    model, batch = new_module("text", assets).model.eval(), batch_of(parts, "text")
    with torch.no_grad():
        together = model.probabilities(batch)[:1]
        caption = batch["caption"][:1, (batch["caption"][0] == model.tokens.pad).sum() :]
        alone = model.probabilities({**{key: value[:1] for key, value in batch.items()}, "caption": caption})
    assert torch.allclose(together, alone, atol=1e-5)


def test_writing_with_a_memory_gives_what_reading_anew_each_time_gives(assets: Path, parts: Path) -> None:
    model, batch = new_module("points", assets).model.eval(), batch_of(parts, "points")
    with torch.no_grad():
        ids = model.written(batch, 8)
        padded = torch.nn.functional.pad(ids, (0, 1), value=model.tokens.pad)
        again = model.logits(model.hidden({**batch, "program": padded}, None))[..., model.alphabet].argmax(-1)
    alive = (ids != model.tokens.end).cumprod(1).bool()
    assert torch.equal(model.alphabet[again[:, :-1]][alive], ids[alive])


def test_the_loss_in_parts_is_the_same(assets: Path, parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.cad_mllm.model.LOSS_ROWS", 16)
    whole, cut = (new_module("text", assets, chunked_loss=chunked) for chunked in (False, True))
    batch = batch_of(parts, "text")
    losses = [module.training_step(batch, 0) for module in (whole, cut)]
    for loss in losses:
        loss.backward()
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
    pairs = zip(trainable(whole).values(), trainable(cut).values(), strict=True)
    assert all(torch.allclose(one.grad, other.grad, atol=1e-6) for one, other in pairs if one.grad is not None)


def test_the_base_is_made_once_and_is_the_same_each_time(assets: Path, tmp_path: Path) -> None:
    from experiments.cad_mllm.base import make_base

    base = settings_of("text").model.base
    first = make_base(base, tmp_path / "a", tmp_path / "cache", 0)
    second = make_base(base, tmp_path / "b", tmp_path / "cache", 0)
    assert "loss" in first and not second
    assert (tmp_path / "a" / WEIGHTS).read_bytes() == (tmp_path / "b" / WEIGHTS).read_bytes()
    states = [torch.load(folder / WEIGHTS, weights_only=True) for folder in (assets, tmp_path / "a")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_base_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"base.pt: the base model is missing.*prepare"):
        new_module("text", tmp_path)


# --- encoders and their files ---


def test_latents_tell_the_outline_of_a_cloud() -> None:
    encoder, cloud = Perceiver(PointEncoder(latents=6)), torch.rand(1, 400, 6) * 2 - 1
    cloud[..., 0] *= 0.25
    places = encoder(cloud)[0, :, :3]
    assert places[0, 0] == pytest.approx(0.2, abs=0.08) and places[1, 1] == pytest.approx(0.85, abs=0.1)
    shuffled = cloud[:, torch.randperm(400)]
    assert torch.allclose(encoder(cloud), encoder(shuffled), atol=1e-4)
    assert embedded(cloud).shape == (1, 400, 30)


def asset(path: Path, low: int = 1, high: int = 10**9) -> Asset:
    return Asset(path=path, min_bytes=low, max_bytes=high, source="https://example.org/encoder")


def test_a_trained_encoder_is_read_and_stays_frozen(tmp_path: Path) -> None:
    path = tmp_path / "encoder.pt"
    settings = PointEncoder(weights=asset(path), width=16, latents=4, heads=2, layers=1)
    torch.save(Perceiver(settings).state_dict(), path)
    encoder = Perceiver(settings)
    load_encoder(encoder, settings.weights, "point_encoder")
    saved = torch.load(path, weights_only=True)
    assert all(torch.equal(value, saved[key]) for key, value in encoder.state_dict().items())
    assert encoder(torch.rand(2, 9, 6)).shape == (2, 4, 16)


def test_an_asset_that_is_missing_cut_or_another_says_where_to_get_it(tmp_path: Path) -> None:
    path = tmp_path / "encoder.pt"
    assert "not there. Get it from https://example.org/encoder" in asset(path).problem()
    path.write_bytes(bytes(100))
    assert "cut short. Get it again from https://example.org" in asset(path, low=200).problem()
    assert "another file" in asset(path, high=50).problem()
    with pytest.raises(UserError, match=r"point_encoder.*not the state of this encoder"):
        load_encoder(Perceiver(PointEncoder(weights=asset(path))), asset(path), "point_encoder")


def test_assets_are_on_the_launch_checklist(tmp_path: Path) -> None:
    config = load_experiment(ROOT / "config/experiments", "cad_mllm_8b")
    from experiments.cad_mllm.experiment import CADMLLM

    (name, ok, detail), *_ = CADMLLM("cad_mllm_8b", config, ROOT).assets_needed()
    assert (name, ok) == ("Pretrained language model", False) and "huggingface.co/Qwen/Qwen3-8B" in detail
    assert experiment_of("image").assets_needed() == []


# --- settings ---


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"model": {"lora_rank": 8}}, "unknown key 'lora_rank'"),
        ({"model": {"sampling": {"text": 0.5}}}, "must add up to 1"),
        ({"model": {"sampling": {"text": 0.5, "text+points": 0.5}}}, "model.sampling names points"),
        ({"model": {"max_caption_tokens": 42}}, "leave room for the program"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], wrong: str) -> None:
    with pytest.raises(UserError, match=wrong.replace("+", r"\+")):
        validate(CADSettings, settings, "cad_mllm.yaml", "settings")


def test_default_adapters_are_of_the_documented_kind() -> None:
    assert Lora().alpha / Lora().r == 2
