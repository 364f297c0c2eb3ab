"""The training steps behind published memory measurements, built from a row of the table: nothing is downloaded.

    python benchmarks/memory_models.py FOLDER            # a row as JSON on stdin, traced into FOLDER
    python benchmarks/memory_models.py --peers FOLDER    # what other tools say of it

The loop is the published one: batch to the card, forward, loss, backward, optimizer; gradients are released where the
row says; the names of outputs, loss and batch outlive the step.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

ZERO_GRAD = {"0": "start", "1": "before_backward", "2": "end"}
GPT2 = {"model_type": "gpt2"}
LLAMA = {"model_type": "llama", "rope_theta": 500000.0, "max_position_embeddings": 131072, "vocab_size": 128256}
QWEN3 = {"model_type": "qwen3", "vocab_size": 151936, "head_dim": 128, "max_position_embeddings": 40960}
# in the library that was measured, T5 had no attention but its own
T5 = {"model_type": "t5", "decoder_start_token_id": 0, "pad_token_id": 0, "attn_implementation": "eager"}
OPT = {"model_type": "opt"}
NEOX = {"model_type": "gpt_neox", "vocab_size": 50304, "rotary_pct": 0.25, "max_position_embeddings": 2048}


def _neo(layers: int, hidden: int, heads: int) -> dict[str, Any]:
    return {
        "model_type": "gpt_neo", "num_layers": layers, "hidden_size": hidden, "num_heads": heads,
        "attention_types": [[["global", "local"], layers // 2]],
    }  # fmt: skip


def _opt(layers: int, hidden: int, heads: int, **more: Any) -> dict[str, Any]:
    sizes = {"num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads, "ffn_dim": 4 * hidden}
    return {**OPT, "word_embed_proj_dim": hidden, **sizes, **more}


def _decoder(base: dict[str, Any], layers: int, hidden: int, inner: int, heads: int, **more: Any) -> dict[str, Any]:
    sizes = {
        "num_hidden_layers": layers, "hidden_size": hidden, "intermediate_size": inner, "num_attention_heads": heads,
    }  # fmt: skip
    return {**base, **sizes, **more}


# hub's name → what its config.json says where it is not the class's default
CONFIGS: dict[str, dict[str, Any]] = {
    "openai-community/gpt2": GPT2,
    "distilbert/distilgpt2": {**GPT2, "n_layer": 6},
    "openai-community/gpt2-medium": {**GPT2, "n_layer": 24, "n_embd": 1024, "n_head": 16},
    "cerebras/Cerebras-GPT-111M": {
        **GPT2, "n_layer": 10, "n_embd": 768, "n_head": 12, "n_inner": 3072, "n_positions": 2048,
        "activation_function": "gelu",
    },
    "cerebras/Cerebras-GPT-256M": {
        **GPT2, "n_layer": 14, "n_embd": 1088, "n_head": 17, "n_inner": 4352, "n_positions": 2048,
        "activation_function": "gelu",
    },
    "facebook/opt-125m": _opt(12, 768, 12),
    "facebook/opt-350m": _opt(24, 1024, 16, word_embed_proj_dim=512, do_layer_norm_before=False),
    "facebook/opt-1.3b": _opt(24, 2048, 32),
    "EleutherAI/gpt-neo-125M": _neo(12, 768, 12),
    "EleutherAI/gpt-neo-1.3B": _neo(24, 2048, 16),
    "EleutherAI/pythia-70m": _decoder(NEOX, 6, 512, 2048, 8),
    "EleutherAI/pythia-160m": _decoder(NEOX, 12, 768, 3072, 12),
    "EleutherAI/pythia-410m": _decoder(NEOX, 24, 1024, 4096, 16),
    "EleutherAI/pythia-1b": _decoder(NEOX, 16, 2048, 8192, 8),
    "T5-small": {**T5, "num_layers": 6},
    "t5-base": {**T5, "d_model": 768, "d_ff": 3072, "num_layers": 12, "num_heads": 12},
    "t5-large": {**T5, "d_model": 1024, "d_ff": 4096, "num_layers": 24, "num_heads": 16},
    "meta-llama/Llama-3.2-1B-Instruct": _decoder(
        LLAMA, 16, 2048, 8192, 32, num_key_value_heads=8, head_dim=64, tie_word_embeddings=True
    ),
    "meta-llama/Llama-3.2-3B-Instruct": _decoder(
        LLAMA, 28, 3072, 8192, 24, num_key_value_heads=8, head_dim=128, tie_word_embeddings=True
    ),
    "google/gemma-2-2b-it": {"model_type": "gemma2"},
    "Qwen/Qwen3-0.6B": _decoder(QWEN3, 28, 1024, 3072, 16, num_key_value_heads=8, tie_word_embeddings=True),
    "Qwen/Qwen3-1.7B": _decoder(QWEN3, 28, 2048, 6144, 16, num_key_value_heads=8, tie_word_embeddings=True),
    "Qwen/Qwen3-4B": _decoder(QWEN3, 36, 2560, 9728, 32, num_key_value_heads=8, tie_word_embeddings=True),
    "Qwen/Qwen3-8B": _decoder(QWEN3, 36, 4096, 12288, 32, num_key_value_heads=8, tie_word_embeddings=False),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": _decoder(
        {"model_type": "qwen2", "vocab_size": 151936}, 28, 1536, 8960, 12, num_key_value_heads=2,
        tie_word_embeddings=False,
    ),
}  # fmt: skip
OPTIMIZERS = {"Adafactor": "transformers.optimization:Adafactor"}


def config_of(model: str) -> dict[str, Any]:
    """The configuration of a hub's model, whatever the case of its name and its owner's."""
    names = {name.split("/")[-1].lower(): config for name, config in CONFIGS.items()}
    try:
        return names[model.rsplit("/", maxsplit=1)[-1].lower().replace("-instruct", "-instruct")]
    except KeyError:
        raise SystemExit(f"{model}: no configuration of it in {__file__}: add it to CONFIGS") from None


def build_model(row: dict[str, str]) -> Any:
    """The row's model with random weights, on the processor."""
    from gonogo.memory import builders

    if row["library"] == "transformers":
        builders.allow_torchvision()
        import transformers

        values = dict(config_of(row["model"]))
        config = transformers.AutoConfig.for_model(values.pop("model_type"), **values)
        kind = row["constructor_or_class"].split(".")[0]
        return getattr(transformers, kind).from_config(config)
    call = re.fullmatch(
        r"(?:torchvision\.models\.|timm:|timm\.create_model\()?'?(\w+)'?,?\s*\(?(.*?)\)*", row["constructor_or_class"]
    )
    if call is None:
        raise SystemExit(f"{row['constructor_or_class']!r} is not a constructor that this benchmark reads")
    name, arguments = call.groups()
    if row["library"] == "timm":
        return builders.build_model(f"timm:{name}", num_classes=int(row["num_classes"]))
    classes = int(row["num_classes"])
    if name == "MobileNetV3":
        return builders.build_model(f"torchvision:mobilenet_v3_{arguments.split()[0]}", num_classes=classes)
    alpha = re.search(r"alpha=([\d.]+)", arguments)
    more = {"alpha": float(alpha.group(1))} if alpha else {}
    return builders.build_model(f"torchvision:{name}", num_classes=classes, **more)


def build_step(row: dict[str, str]) -> Any:
    """The row's training step."""
    from gonogo.memory.builders import classifier_step, language_model_step

    model, batch = build_model(row), int(row["batch_size"])
    optimizer = OPTIMIZERS.get(row["optimizer"], row["optimizer"])
    zero_grad: Any = ZERO_GRAD.get(row["zero_grad_mode"], "before_backward" if "x86" in row["input_shape"] else "end")
    if row["library"] == "transformers":
        length = int(row["seq_len"] or 128)
        step = language_model_step(model, batch, length, optimizer, zero_grad=zero_grad)
    else:
        shape = tuple(int(size) for size in row["input_shape"].split("x")[1:])
        step = classifier_step(model, batch, shape, int(row["num_classes"]), optimizer, zero_grad=zero_grad)
    if row["optimizer"] == "Adafactor":
        from functools import partial

        parameters = list(model.parameters())
        from transformers import optimization

        step.optimizer = partial(optimization.Adafactor, parameters, lr=1e-3, relative_step=False)
    return step


def peers(row: dict[str, str]) -> dict[str, int]:
    """Bytes by other means: torch's MemTracker, four times the parameters, `accelerate estimate-memory`."""
    from gonogo.memory.builders import allow_torchvision

    allow_torchvision()
    from accelerate.commands.estimate import estimate_training_usage
    from accelerate.utils import calculate_maximum_sizes
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker

    from gonogo.memory.lookalike import fake_modules

    with FakeTensorMode(allow_non_fake_inputs=True), fake_modules():
        step = build_step(row)
        step.model.train()
        optimizer = step.optimizer()
        weights = sum(p.numel() * p.element_size() for p in step.model.parameters())
        accelerate = calculate_maximum_sizes(step.model)[0]
        tracker = MemTracker()
        tracker.track_external(step.model, optimizer)
        with tracker, contextlib.suppress(Exception):
            for _ in range(2):
                step.run(step.batch).backward()
                optimizer.step()
                optimizer.zero_grad()
        found = tracker.get_tracker_snapshot("peak")
        tracked = max((int(snapshot["Total"]) for snapshot in found.values()), default=0)
    return {
        "mem_tracker": tracked,
        "four_times_parameters": 4 * weights,
        "accelerate": max(estimate_training_usage(accelerate, "float32").values()),
    }


def main() -> None:
    row, folder = json.loads(sys.stdin.read()), Path(sys.argv[-1])
    if sys.argv[1] == "--peers":
        (folder / "peers.json").write_text(json.dumps(peers(row)))
    else:
        from gonogo.memory.trace import trace_step

        trace_step(lambda: build_step(row)).save(folder)
    sys.stdout.flush()
    os._exit(0)  # fake tensors are not torn down


if __name__ == "__main__":
    main()
