"""Published weights: of a point encoder by its own names, and of a language model at its own size or at four bits."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from experiments.cad_mllm.base import _pretrained, base_model, load_base
from experiments.cad_mllm.encoders import load_encoder
from experiments.cad_mllm.michelangelo import Michelangelo, Think
from experiments.cad_mllm.model import trainable, with_adapters
from experiments.cad_mllm.settings import Base, Lora, PointEncoder
from experiments.cad_mllm.tokens import tokens_of
from gonogo.base.errors import UserError
from tests.experiments.cad_mllm.test_model import asset

PUBLISHED = PointEncoder(
    kind="michelangelo", weights=asset(Path("x.pt")), latents=256, width=768, heads=12, layers=8
)  # fmt: skip


def published_state(settings: PointEncoder) -> dict[str, torch.Tensor]:
    """Random tensors with the names and shapes of the release's file, beside others of that file."""
    wide, deep = settings.width, 4 * settings.width
    mlp = {"c_fc.weight": (deep, wide), "c_fc.bias": (deep,), "c_proj.weight": (wide, deep), "c_proj.bias": (wide,)}
    norms = {f"{part}.{kind}": (wide,) for part in ("ln_1", "ln_2") for kind in ("weight", "bias")}
    projected = {"attn.c_proj.weight": (wide, wide), "attn.c_proj.bias": (wide,)}
    block = {**norms, **projected, **{f"mlp.{name}": shape for name, shape in mlp.items()}}
    look = {**block, "ln_3.weight": (wide,), "ln_3.bias": (wide,)}
    look |= {"attn.c_q.weight": (wide, wide), "attn.c_kv.weight": (2 * wide, wide)}
    think = {**block, "attn.c_qkv.weight": (3 * wide, wide)}
    shapes = {"query": (settings.latents + 1, wide), "input_proj.weight": (wide, 54), "input_proj.bias": (wide,)}
    shapes |= {"ln_post.weight": (wide,), "ln_post.bias": (wide,)}
    shapes |= {f"cross_attn.{name}": shape for name, shape in look.items()}
    for layer in range(settings.layers):
        shapes |= {f"self_attn.resblocks.{layer}.{name}": shape for name, shape in think.items()}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("prefix", ["", "model.shape_model.encoder."])
def test_the_published_point_encoder_is_loaded_by_its_own_names(prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "michelangelo.pt"
    settings = PUBLISHED.model_copy(update={"weights": asset(path), "width": 48, "latents": 6, "layers": 2})
    state = published_state(settings)
    beside = {"model.shape_model.decoder.query": torch.zeros(3)} if prefix else {}
    whole = {**{prefix + name: value for name, value in state.items()}, **beside}
    torch.save({"state_dict": whole} if prefix else whole, path)
    encoder = Michelangelo(settings)
    load_encoder(encoder, settings.weights, "point_encoder")
    assert all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())
    assert encoder(torch.rand(2, 9, 6)).shape == (2, 7, 48)

    key = "self_attn.resblocks.1.attn.c_qkv.weight"
    torch.save({**state, key: torch.zeros(9, 48)}, path)
    with pytest.raises(
        UserError, match=rf"{key} is \(9, 48\) in the file and \(144, 48\) in the model. Get it from https://"
    ):
        load_encoder(encoder, settings.weights, "point_encoder")
    torch.save({**state, "self_attn.resblocks.2.ln_1.weight": torch.zeros(48)}, path)
    with pytest.raises(UserError, match=r"it also has self_attn\.resblocks\.2\.ln_1\.weight"):
        load_encoder(encoder, settings.weights, "point_encoder")


def test_the_published_point_encoder_has_its_size() -> None:
    with torch.device("meta"):
        encoder = Michelangelo(PUBLISHED)
        shapes = {name: value.shape for name, value in published_state(PUBLISHED).items()}
    assert {name: value.shape for name, value in encoder.state_dict().items()} == shapes
    with pytest.raises(ValueError, match="needs `weights`"):
        PointEncoder(kind="michelangelo")


def test_the_published_attention_is_computed_head_by_head() -> None:
    block, x = Think(8, 2), torch.randn(1, 5, 8)
    qkv = block.attn["c_qkv"](block.ln_1(x)).view(1, 5, 2, 12)  # of each head its query, key and value in a row
    weight = (torch.einsum("bthc,bshc->bhts", qkv[..., :4], qkv[..., 4:8]) / 2).softmax(-1)
    seen = torch.einsum("bhts,bshc->bthc", weight, qkv[..., 8:]).reshape(1, 5, 8)
    after = x + block.attn["c_proj"](seen)
    expected = after + block.mlp["c_proj"](F.gelu(block.mlp["c_fc"](block.ln_2(after))))
    assert torch.allclose(block(x), expected, atol=1e-5)


def saved_base(folder: Path) -> Base:
    small = {"hidden_size": 64, "intermediate_size": 64, "layers": 1, "heads": 2, "key_value_heads": 1, "head_dim": 32}
    base = Base.model_validate({**small, "vocabulary": 40, "pretrained": asset(folder).model_dump()})
    base_model(base, tokens_of(None)).save_pretrained(folder)
    return base


def test_a_pretrained_base_of_another_size_is_named_by_its_first_key(tmp_path: Path) -> None:
    base = saved_base(tmp_path / "qwen")
    other = base.model_copy(update={"layers": 3, "heads": 4})
    with pytest.raises(UserError, match=r"num_hidden_layers 1, settings.model.base.layers is 3: the memory plan"):
        _pretrained(tmp_path / "qwen", other)
    assert _pretrained(tmp_path / "qwen", base)[1]


def test_a_base_at_four_bits_takes_half_a_byte_a_weight_and_learns_beside_it(tmp_path: Path) -> None:
    base = saved_base(tmp_path / "qwen").model_copy(update={"bits": 4})
    model, _ = load_base(base, None)
    linear = model.model.layers[0].mlp.gate_proj
    assert linear.weight.dtype == torch.uint8 and linear.weight.numel() == 64 * 64 // 2
    adapted = with_adapters(model, Lora(r=4, alpha=8))
    adapted(input_ids=torch.ones(1, 3, dtype=torch.long)).logits.sum().backward()
    assert all(parameter.grad is not None for parameter in trainable(adapted).values())
    if importlib.util.find_spec("bitsandbytes") is None:
        with pytest.raises(UserError, match=r"base.bits: 4 needs the package bitsandbytes.*gonogo\[four-bit\]"):
            _pretrained(tmp_path / "qwen", base)
    else:
        quantised = _pretrained(tmp_path / "qwen", base)[0].model.layers[0].mlp.gate_proj
        assert type(quantised).__name__ == "Linear4bit"
    with pytest.raises(ValueError, match="bits: 4 is for a `pretrained` base"):
        Base(bits=4)
