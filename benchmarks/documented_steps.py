"""Training steps of three systems whose plans were computed by hand, for `benchmarks.documented_plans`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from experiments.cad_mllm.four_bit import FourBit
from gonogo.base.mappings import deep_merged
from gonogo.config.experiment import Training
from gonogo.config.load import load_experiment
from gonogo.experiment.load import load_experiment as experiment_of
from gonogo.experiment.step import Step
from gonogo.memory.builders import allow_torchvision
from gonogo.memory.step import step_of

# 54.27M parameters, on pictures of 256 × 256
CVS = {
    "data": {"image_size": 256},
    "model": {
        "base_channels": 128, "channel_multipliers": (1, 2, 3, 4), "res_blocks": 2, "token_width": 280, "patch_size": 1,
    },
}  # fmt: skip
QWEN3_8B = {
    "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
}  # fmt: skip
LOSS_ROWS = 1024  # tokens whose logits exist at a time, where the loss is taken in chunks


def cvs_step(training: Training, options: Mapping[str, Any]) -> Step:
    """View synthesis: U-Net, its moving average, AdamW, 32 bits."""
    config = load_experiment(Path("config/experiments"), "cvs")
    config = config.model_copy(update={"settings": deep_merged(deep_merged(config.settings, CVS), options)})
    return step_of(experiment_of("cvs", config, Path.cwd()), training)


# --- 3-D VQ-GAN ------------------------------------------------------------------------------------------


def vqgan_step(training: Training, options: Mapping[str, Any]) -> Step:
    """The experiment `vqgan3d_full`: patches of 256 × 256 × 128 voxels, Adam, 32 bits.

    `hidden` in options. Its discriminators start after 100,000 steps, more than the run has, and take no part.
    """
    config = load_experiment(Path("config/experiments"), "vqgan3d_full")
    settings = deep_merged(config.settings, {"model": dict(options)})
    config = config.model_copy(update={"settings": settings})
    training = training.model_copy(update={"epochs": config.training.epochs})
    return step_of(experiment_of("vqgan3d_full", config, Path.cwd()), training)


# --- Qwen3-8B with LoRA ----------------------------------------------------------------------------------


class LowRank(nn.Module):
    """base(x) + B·A·x · 2, the base frozen (LoRA, Hu et al. 2021; alpha is twice the rank)."""

    def __init__(self, base: nn.Linear, rank: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.base = base
        self.a = nn.Linear(base.in_features, rank, bias=False, dtype=dtype)
        self.b = nn.Linear(rank, base.out_features, bias=False, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 2.0 * self.b(self.a(x))


def qwen_step(training: Training, options: Mapping[str, Any]) -> Step:
    """Qwen3-8B in bf16 with LoRA on queries and values, and AdamW; its own loss.

    Options: `length` (16384), `rank` (32), `checkpointing` (False), `chunked_loss` (False), `four_bit` (False).

    Raises:
        ModuleNotFoundError: transformers is not installed (`pip install 'gonogo[cad]'`).
    """
    allow_torchvision()
    transformers = importlib.import_module("transformers")
    config = transformers.Qwen3Config(**QWEN3_8B)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.requires_grad_(False)
    for layer in model.model.layers:
        for owner in (layer.self_attn, layer.mlp):
            for name, linear in list(owner.named_children()):
                if isinstance(linear, nn.Linear):
                    base: nn.Linear = FourBit(linear) if options.get("four_bit") else linear
                    adapted = name in ("q_proj", "v_proj")
                    rank = options.get("rank", 32)
                    setattr(owner, name, LowRank(base, rank, torch.bfloat16) if adapted else base)
    if options.get("checkpointing"):
        model.gradient_checkpointing_enable({"use_reentrant": False})
        model.enable_input_require_grads()
    loss = _chunked_loss if options.get("chunked_loss") else _own_loss
    tokens = torch.ones(training.micro_batch_size, options.get("length", 16384), dtype=torch.long)
    adapters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return _step(model, torch.optim.AdamW(adapters, lr=2e-4), lambda batch: loss(model, batch), tokens, training)


def _own_loss(model: Any, tokens: Tensor) -> Tensor:
    return model(input_ids=tokens, labels=tokens, use_cache=False).loss


def _chunked_loss(model: Any, tokens: Tensor) -> Tensor:
    """The same loss with the logits of a few rows at a time, recomputed in the backward pass."""

    def part(rows: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(model.lm_head(rows).float(), wanted, reduction="sum")

    hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
    rows, wanted = hidden[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()
    total = torch.zeros((), device=rows.device)
    for few, labels in zip(rows.split(LOSS_ROWS), wanted.split(LOSS_ROWS), strict=True):
        total = total + checkpoint(part, few, labels, use_reentrant=False)
    return total / wanted.numel()


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, run: Any, batch: Any, training: Training) -> Step:
    return Step(
        model=model, optimizer=optimizer, run=run, batch=batch,
        micro_batch_size=training.micro_batch_size, accumulate_grad_batches=training.accumulate_grad_batches,
        gradient_clip_val=training.gradient_clip_val, precision=training.precision,
    )  # fmt: skip
