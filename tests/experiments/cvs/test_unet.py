import pytest
import torch
from torch import nn

from experiments.cvs.settings import CVSSettings, ModelSettings
from experiments.cvs.unet import UNet, size_multiple
from gonogo.config.load import load_experiment
from tests.conftest import ROOT
from tests.experiments.cvs.items import SIZE, small_settings

PUBLISHED = 54_274_564  # parameters of the model that this one follows
FULL = CVSSettings.model_validate(load_experiment(ROOT / "config/experiments", "cvs_full").settings).model


def parameters(settings: ModelSettings) -> int:
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in UNet(settings).parameters())


def inputs(settings: ModelSettings, size: int, batch: int = 2) -> dict[str, torch.Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    return {
        "noisy": torch.randn(batch, 3, size, size, generator=generator),
        "picture": torch.rand(batch, 3, size, size, generator=generator) * 2 - 1,
        "time": torch.rand(batch, generator=generator),
        "pose": torch.randn(batch, 15, generator=generator),
        "tokens": torch.randn(batch, 1369, 384, generator=generator) if settings.image_tokens == "dinov2" else None,
    }


def awake(settings: ModelSettings) -> UNet:
    """A network whose zero-initialised layers are not zero any more."""
    torch.manual_seed(0)
    network = UNet(settings)
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    return network


def test_the_full_configuration_has_the_published_size() -> None:
    assert parameters(FULL) == 54_273_444
    assert round(parameters(FULL) / 1e6, 2) == round(PUBLISHED / 1e6, 2) == 54.27


def test_the_default_fits_a_processor() -> None:
    assert parameters(ModelSettings()) == 749_232


@pytest.mark.parametrize("tokens", ["patches", "dinov2"])
@pytest.mark.parametrize("size", [SIZE, 48])
def test_the_estimate_has_the_targets_shape(tokens: str, size: int) -> None:
    settings = small_settings(image_tokens=tokens).model
    assert UNet(settings)(**inputs(settings, size)).shape == (2, 3, size, size)


def test_an_untrained_network_shows_the_input_dimmed() -> None:
    settings = small_settings().model
    given = inputs(settings, SIZE)
    estimate = UNet(settings)(**given)
    torch.testing.assert_close(estimate, torch.sigmoid(torch.tensor(1.0)) * given["picture"])


@pytest.mark.parametrize("what", ["noisy", "picture", "time", "pose", "tokens"])
def test_the_estimate_depends_on_everything_it_is_given(what: str) -> None:
    settings = small_settings(image_tokens="dinov2").model
    network, given = awake(settings), inputs(settings, SIZE)
    changed = network(**{**given, what: given[what] + 0.5})
    assert (changed - network(**given)).abs().max() > 1e-3


def test_a_patch_of_the_input_reaches_every_place_of_the_bottleneck() -> None:
    settings = small_settings().model
    network, given = awake(settings), inputs(settings, SIZE, batch=1)
    x, embedded = torch.randn(1, 16, 8, 8), torch.randn(1, 8)

    def places(picture: torch.Tensor) -> torch.Tensor:
        tokens = network.image_tokens(picture)
        assert tokens.shape == (1, (SIZE // 8) ** 2, settings.token_width)
        return network.middle(x, embedded, torch.cat([tokens, network.pose_tokens(given["pose"])], dim=1))

    changed = given["picture"].clone()
    changed[..., -8:, -8:] *= -1
    assert ((places(changed) - places(given["picture"])).abs().amax(dim=1) > 1e-5).all()


def test_the_picture_must_divide_into_levels_and_patches() -> None:
    assert size_multiple(ModelSettings()) == 8
    assert size_multiple(ModelSettings(image_tokens="dinov2", patch_size=1)) == 4
    assert size_multiple(ModelSettings(channel_multipliers=(1, 1, 1, 1))) == 16
