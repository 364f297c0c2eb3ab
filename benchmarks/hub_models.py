"""Configurations of models on the Hugging Face hub, written down so that nothing is downloaded: name → config.json."""

from __future__ import annotations

from typing import Any

GPT2 = {"model_type": "gpt2"}
LLAMA = {"model_type": "llama", "rope_theta": 500000.0, "max_position_embeddings": 131072, "vocab_size": 128256}
QWEN3 = {"model_type": "qwen3", "vocab_size": 151936, "head_dim": 128, "max_position_embeddings": 40960}
# in the library that was measured, T5 had no attention but its own
T5 = {"model_type": "t5", "decoder_start_token_id": 0, "pad_token_id": 0, "attn_implementation": "eager"}
OPT = {"model_type": "opt"}
BLOOM = {"model_type": "bloom", "vocab_size": 250880}
BERT = {"model_type": "bert"}
ROBERTA = {"model_type": "roberta", "vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}
LLAMA2 = {"model_type": "llama", "vocab_size": 32000, "max_position_embeddings": 4096}
SMOL = {"model_type": "llama", "vocab_size": 49152, "tie_word_embeddings": True}
QWEN2 = {"model_type": "qwen2", "vocab_size": 151936, "tie_word_embeddings": True}
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


def _cerebras(layers: int, hidden: int, heads: int) -> dict[str, Any]:
    return {
        **GPT2, "n_layer": layers, "n_embd": hidden, "n_head": heads, "n_inner": 4 * hidden, "n_positions": 2048,
        "activation_function": "gelu",
    }  # fmt: skip


def _flan(layers: int, width: int, inner: int, heads: int) -> dict[str, Any]:
    return {
        **T5, "num_layers": layers, "d_model": width, "d_ff": inner, "num_heads": heads,
        "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False,
    }  # fmt: skip


LLAMA_8B = _decoder(LLAMA, 32, 4096, 14336, 32, num_key_value_heads=8)
QWEN_7B = _decoder(
    {"model_type": "qwen2", "vocab_size": 152064}, 28, 3584, 18944, 28, num_key_value_heads=4, tie_word_embeddings=False
)
# hub's name → what its config.json says where it is not the class's default
CONFIGS: dict[str, dict[str, Any]] = {
    "openai-community/gpt2": GPT2,
    "distilbert/distilgpt2": {**GPT2, "n_layer": 6},
    "openai-community/gpt2-medium": {**GPT2, "n_layer": 24, "n_embd": 1024, "n_head": 16},
    "cerebras/Cerebras-GPT-111M": _cerebras(10, 768, 12),
    "cerebras/Cerebras-GPT-256M": _cerebras(14, 1088, 17),
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
    "openai-community/gpt2-large": {**GPT2, "n_layer": 36, "n_embd": 1280, "n_head": 20},
    "openai-community/gpt2-xl": {**GPT2, "n_layer": 48, "n_embd": 1600, "n_head": 25},
    "cerebras/Cerebras-GPT-590M": _cerebras(18, 1536, 12),
    "cerebras/Cerebras-GPT-1.3B": _cerebras(24, 2048, 16),
    "facebook/opt-2.7b": _opt(32, 2560, 32),
    "facebook/opt-6.7b": _opt(32, 4096, 32),
    "EleutherAI/gpt-neo-2.7B": _neo(32, 2560, 20),
    "EleutherAI/pythia-14m": _decoder(NEOX, 6, 128, 512, 4),
    "EleutherAI/pythia-31m": _decoder(NEOX, 6, 256, 1024, 8),
    "EleutherAI/pythia-1.4b": _decoder(NEOX, 24, 2048, 8192, 16),
    "EleutherAI/pythia-2.8b": _decoder(NEOX, 32, 2560, 10240, 32),
    "bigscience/bloom-560m": {**BLOOM, "hidden_size": 1024, "n_layer": 24, "n_head": 16},
    "bigscience/bloom-1b1": {**BLOOM, "hidden_size": 1536, "n_layer": 24, "n_head": 16},
    "bigscience/bloom-1b7": {**BLOOM, "hidden_size": 2048, "n_layer": 24, "n_head": 16},
    "google/flan-t5-small": _flan(8, 512, 1024, 6),
    "google/flan-t5-base": _flan(12, 768, 2048, 12),
    "google/flan-t5-large": _flan(24, 1024, 2816, 16),
    "google/mt5-small": {
        "model_type": "mt5", "decoder_start_token_id": 0, "pad_token_id": 0, "tie_word_embeddings": False,
    },
    "facebook/bart-base": {
        "model_type": "bart", "d_model": 768, "encoder_layers": 6, "decoder_layers": 6, "encoder_ffn_dim": 3072,
        "decoder_ffn_dim": 3072, "encoder_attention_heads": 12, "decoder_attention_heads": 12,
    },
    "facebook/bart-large": {"model_type": "bart"},
    "TinyLlama/TinyLlama-1.1B-Chat-v1.0": _decoder(LLAMA2, 22, 2048, 5632, 32, num_key_value_heads=4),
    "meta-llama/Llama-2-7b-hf": _decoder(LLAMA2, 32, 4096, 11008, 32),
    "meta-llama/Meta-Llama-3-8B": LLAMA_8B,
    "meta-llama/Llama-3.1-8B-Instruct": LLAMA_8B,
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": LLAMA_8B,
    "HuggingFaceTB/SmolLM2-135M": _decoder(SMOL, 30, 576, 1536, 9, num_key_value_heads=3),
    "HuggingFaceTB/SmolLM2-360M": _decoder(SMOL, 32, 960, 2560, 15, num_key_value_heads=5),
    "HuggingFaceTB/SmolLM2-1.7B": _decoder(SMOL, 24, 2048, 8192, 32),
    "mistralai/Mistral-7B-v0.1": {"model_type": "mistral"},
    "Qwen/Qwen2.5-0.5B-Instruct": _decoder(QWEN2, 24, 896, 4864, 14, num_key_value_heads=2),
    "Qwen/Qwen2-0.5B-Instruct": _decoder(QWEN2, 24, 896, 4864, 14, num_key_value_heads=2),
    "Qwen/Qwen2.5-1.5B-Instruct": _decoder(QWEN2, 28, 1536, 8960, 12, num_key_value_heads=2),
    "Qwen/Qwen2-1.5B-Instruct": _decoder(QWEN2, 28, 1536, 8960, 12, num_key_value_heads=2),
    "Qwen/Qwen2.5-3B-Instruct": _decoder(QWEN2, 36, 2048, 11008, 16, num_key_value_heads=2),
    "Qwen/Qwen2.5-7B-Instruct": QWEN_7B,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": QWEN_7B,
    "Qwen/Qwen3-14B": _decoder(QWEN3, 40, 5120, 17408, 40, num_key_value_heads=8, tie_word_embeddings=False),
    "google/gemma-2b": _decoder(
        {"model_type": "gemma"}, 18, 2048, 16384, 8, num_key_value_heads=1, head_dim=256
    ),
    "google/gemma-7b": {"model_type": "gemma"},
    "google/gemma-2-9b-it": _decoder({"model_type": "gemma2"}, 42, 3584, 14336, 16, num_key_value_heads=8),
    "google/gemma-3-1b-it": _decoder(
        {"model_type": "gemma3_text", "vocab_size": 262144}, 26, 1152, 6912, 4, num_key_value_heads=1, head_dim=256
    ),
    "microsoft/phi-1_5": {"model_type": "phi"},
    "microsoft/phi-2": _decoder({"model_type": "phi"}, 32, 2560, 10240, 32, partial_rotary_factor=0.4),
    "microsoft/Phi-3-mini-4k-instruct": {"model_type": "phi3"},
    "google-bert/bert-base-uncased": BERT,
    "google-bert/bert-base-cased": {**BERT, "vocab_size": 28996},
    "google-bert/bert-large-uncased": _decoder(BERT, 24, 1024, 4096, 16),
    "FacebookAI/roberta-base": ROBERTA,
    "FacebookAI/roberta-large": _decoder(ROBERTA, 24, 1024, 4096, 16),
    "FacebookAI/xlm-roberta-base": {**ROBERTA, "model_type": "xlm-roberta", "vocab_size": 250002},
    "distilbert/distilroberta-base": {**ROBERTA, "num_hidden_layers": 6},
    "distilbert/distilbert-base-uncased": {"model_type": "distilbert"},
    "albert/albert-base-v2": _decoder({"model_type": "albert"}, 12, 768, 3072, 12),
    "google/electra-small-discriminator": {"model_type": "electra"},
    "google/electra-base-discriminator": _decoder(
        {"model_type": "electra", "embedding_size": 768}, 12, 768, 3072, 12
    ),
    "microsoft/deberta-v3-base": {
        "model_type": "deberta-v2", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "relative_attention": True, "position_buckets": 256, "type_vocab_size": 0,
        "pos_att_type": ["p2c", "c2p"], "position_biased_input": False, "share_att_key": True,
        "norm_rel_ebd": "layer_norm", "max_relative_positions": -1,
    },
    "google/vit-base-patch16-224": {"model_type": "vit"},
    "facebook/deit-base-patch16-224": {"model_type": "deit"},
    "microsoft/swin-tiny-patch4-window7-224": {"model_type": "swin"},
    "microsoft/beit-base-patch16-224": {"model_type": "beit"},
    "facebook/convnext-tiny-224": {"model_type": "convnext"},
    "microsoft/resnet-50": {"model_type": "resnet"},
}  # fmt: skip
