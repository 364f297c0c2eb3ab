"""Steps of models that libraries build: what each class is fed, and what a row of published measurements says."""

from __future__ import annotations

import importlib.util
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.memory_models import call_of, precision_of
from gonogo.base.errors import UserError
from gonogo.memory import builders
from gonogo.memory.library_steps import library_model_step, optimizer_maker
from tests.memory.steps import traced

Heads = namedtuple("Heads", ["logits", "aux"])


class TwoHeads(nn.Linear):
    """As GoogLeNet and Inception in training: an auxiliary head beside the last one."""

    def forward(self, x: torch.Tensor) -> Any:
        found = super().forward(x.flatten(1))
        return Heads(found, 2 * found)


def test_auxiliary_heads_count_in_the_loss() -> None:
    step = library_model_step(TwoHeads(12, 5), 4, (3, 2, 2), 5, "SGD")
    x = torch.randn(4, 3, 2, 2)
    logits = step.model(x).logits
    labels = torch.zeros(4, dtype=torch.long)
    expected = nn.functional.cross_entropy(logits, labels) + nn.functional.cross_entropy(2 * logits, labels)
    assert torch.isclose(step.run((x, labels)), expected)


class Maps(nn.Conv2d):
    """As a model for segmentation."""

    def forward(self, x: torch.Tensor) -> Any:
        return {"out": super().forward(x)}


def test_maps_are_compared_pixel_by_pixel() -> None:
    step = library_model_step(Maps(3, 5, 1), 2, (3, 4, 6), 5, "SGD")
    x = torch.randn(2, 3, 4, 6)
    expected = nn.functional.cross_entropy(step.model(x)["out"], torch.zeros(2, 4, 6, dtype=torch.long))
    assert torch.isclose(step.run((x, torch.zeros(2, dtype=torch.long))), expected)


SMALL = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "vocab_size": 100,
}  # fmt: skip


@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
@pytest.mark.parametrize(
    ("kind", "model_type", "shape", "sizes"),
    [
        ("AutoModelForSequenceClassification", "llama", (16,), {**SMALL, "pad_token_id": None}),
        ("AutoModelForQuestionAnswering", "bert", (16,), SMALL),
        ("AutoModel", "bert", (16,), SMALL),
        ("AutoModelForSequenceClassification", "deberta-v2", (16,), SMALL),
        ("AutoModelForSeq2SeqLM", "t5", (16,), {"d_model": 32, "d_ff": 32, "num_layers": 1, "vocab_size": 100}),
        ("AutoModelForCausalLM", "mixtral", (16,), {**SMALL, "num_key_value_heads": 2}),
        ("AutoModelForImageClassification", "vit", (3, 32, 32), {**SMALL, "image_size": 32}),
        ("AutoModelForAudioClassification", "whisper", (80, 3000), {"d_model": 36, "encoder_layers": 1}),
    ],
)
def test_each_head_is_trained_with_what_it_wants(kind: str, model_type: str, shape: Any, sizes: Any) -> None:
    from gonogo.memory.builders import allow_torchvision

    allow_torchvision()
    import transformers

    def build() -> Any:
        config = transformers.AutoConfig.for_model(model_type, **sizes)
        return library_model_step(getattr(transformers, kind).from_config(config), 3, shape, 2, "SGD")

    found = traced(build)
    assert found.guesses == [] and "gradients" in found.kinds.values() and found.micro_batch_size == 3


@pytest.mark.parametrize("loads", [True, False])
def test_operators_of_torchvision_are_declared_only_where_its_library_cannot_be_loaded(
    loads: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A library that finds its operators declared ends the process (torchvision 0.29)."""
    done: list[str] = []
    operators = SimpleNamespace()

    def load(path: str) -> None:
        done.append(Path(path).name)
        if not loads:
            raise OSError(f"{path}: libc10_cuda.so: cannot open shared object file")
        operators.nms = operators.qnms = print

    (tmp_path / "_C_stable.so").touch()
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(builders.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(builders.torch, "ops", SimpleNamespace(torchvision=operators, load_library=load))
    monkeypatch.setattr(builders.torch.library, "define", lambda name, schema: done.append(name))
    builders.allow_torchvision()
    assert done == ["_C_stable.so"] + ([] if loads else ["torchvision::nms", "torchvision::qnms"])


def test_the_torchvision_that_fits_a_torch_is_one_that_exists() -> None:
    assert builders.torchvision_for("2.13.0+cpu") == "==0.28.*"
    assert builders.torchvision_for("2.15.0+cu132") == ">=0.29"


def test_an_optimizer_may_have_arguments() -> None:
    weights = [nn.Parameter(torch.zeros(3))]
    made = optimizer_maker("SGD(momentum=0.9, lr=0.5)")(weights)
    assert isinstance(made, torch.optim.SGD) and (made.defaults["momentum"], made.defaults["lr"]) == (0.9, 0.5)
    assert isinstance(optimizer_maker("torch.optim:AdamW")(weights), torch.optim.AdamW)
    for wrong in ("Adamant", "SGD(momentum=)", "SGD(momentum=x)"):
        with pytest.raises(UserError, match="optimizer"):
            optimizer_maker(wrong)


@pytest.mark.parametrize(
    ("dtype", "amp", "precision"),
    [
        ("float32", "no", "32-true"), ("bfloat16", "no", "bf16-true"), ("torch.float16", "false", "16-true"),
        ("float32", "yes", "16-mixed"), ("float32", "bf16", "bf16-mixed"), ("bfloat16", "true", "bf16-mixed"),
        ("", "", "32-true"),
    ],
)  # fmt: skip
def test_a_rows_precision(dtype: str, amp: str, precision: str) -> None:
    assert precision_of({"dtype": dtype, "amp": amp}) == precision


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("torchvision.models.vgg11(weights=None)", ("vgg11", {})),
        ("torchvision.models.MNASNet(alpha=1.0, num_classes=10)", ("MNASNet", {"alpha": 1.0, "num_classes": 10})),
        ("torchvision.models.MobileNetV3(large cfg, last_channel=1280)", ("MobileNetV3", {"said": "large"})),
        ("timm.create_model('vit_tiny', pretrained=False, img_size=86)", ("vit_tiny", {"img_size": 86})),
        ("timm:convnext_base", ("convnext_base", {})),
    ],
)
def test_a_rows_constructor(text: str, call: Any) -> None:
    assert call_of(text) == call
