"""The multimodal language model: frozen base and encoders, trainable adapters and projectors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from experiments.cad_mllm.base import load_base
from experiments.cad_mllm.data import Batch, shown
from experiments.cad_mllm.encoders import Patches, Perceiver, load_encoder
from experiments.cad_mllm.michelangelo import Michelangelo
from experiments.cad_mllm.settings import CADSettings, Lora
from experiments.cad_mllm.tokens import tokens_of

ADAPTED = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
LOSS_ROWS = 1024  # tokens whose logits exist at a time, where the loss is computed in chunks
IGNORED = -100


class CADModel(nn.Module):
    """[points] [image] <begin> caption <program> program <end>: the tokens of a cloud and of a picture come first.

    Attributes:
        base_digest: of the frozen base's weights; empty if they are random.
    """

    def __init__(self, settings: CADSettings, assets: Path | None) -> None:
        super().__init__()
        self.settings = settings
        model = settings.model
        self.tokens = tokens_of(model.base.pretrained if assets else None)
        base, self.base_digest = load_base(model.base, assets)
        if model.gradient_checkpointing:
            base.gradient_checkpointing_enable({"use_reentrant": False})
            base.enable_input_require_grads()
        self.language = with_adapters(base, model.lora)
        self.encoders, self.projectors = nn.ModuleDict(), nn.ModuleDict()
        if "points" in settings.data.modalities:
            kind = Michelangelo if model.point_encoder.kind == "michelangelo" else Perceiver
            self._add("points", kind(model.point_encoder), base.config.hidden_size)
        if "image" in settings.data.modalities:
            self._add("image", Patches(model.image_encoder, settings.data.image_size), base.config.hidden_size)
        if assets is not None:
            self._load_encoders()
        self.encoders.requires_grad_(False)
        self.register_buffer("alphabet", torch.tensor(self.tokens.alphabet), persistent=False)

    def _add(self, modality: str, encoder: Perceiver | Michelangelo | Patches, hidden: int) -> None:
        self.encoders[modality] = encoder
        self.projectors[modality] = projector(encoder.width, self.settings.model.projector_width, hidden)

    def _load_encoders(self) -> None:
        model = self.settings.model
        for name, asset in (("points", model.point_encoder.weights), ("image", model.image_encoder.weights)):
            if name in self.encoders:
                load_encoder(self.encoders[name], asset, f"settings.model.{name.rstrip('s')}_encoder.weights")

    # --- forward ---

    def loss(self, batch: Batch, present: dict[str, Tensor] | None = None) -> Tensor:
        """Mean cross-entropy of the program's tokens, in nats.

        Args:
            present: modality → (B,) bool, whether a sample shows it; None: all do.
        """
        hidden = self.hidden(batch, present)
        wanted = batch["program"].masked_fill(~shown(batch["program"], self.tokens), IGNORED)
        rows, labels = hidden.flatten(0, 1), wanted.flatten()
        if not self.settings.model.chunked_loss:
            return F.cross_entropy(self.logits(rows).float(), labels, ignore_index=IGNORED)
        total = sum(
            checkpoint(self._part_of_loss, few, some, use_reentrant=False)
            for few, some in zip(rows.split(LOSS_ROWS), labels.split(LOSS_ROWS), strict=True)
        )
        return total / (labels != IGNORED).sum().clamp(min=1)

    def _part_of_loss(self, rows: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(self.logits(rows).float(), labels, ignore_index=IGNORED, reduction="sum")

    def probabilities(self, batch: Batch, present: dict[str, Tensor] | None = None) -> Tensor:
        """(B, L, A) float32: each next token of the program, given those before it; zero after its end."""
        hidden = self.hidden(batch, present)
        logits = self.logits(hidden)[..., self.alphabet].float()
        return logits.softmax(-1) * shown(batch["program"], self.tokens)[..., None]

    def written(self, batch: Batch, longest: int) -> Tensor:
        """(B, up to `longest`) the likeliest program, token by token; the true one is not used."""
        nothing = batch["program"][:, :0]
        embedded, seen, places = self._sequence(batch, nothing, None)
        language, place = self.language.get_base_model(), places[:, -1:]
        found = language.model(inputs_embeds=embedded, attention_mask=seen.long(), position_ids=places, use_cache=True)
        ids = nothing
        while True:
            logits = self.logits(found.last_hidden_state[:, -1])[:, self.alphabet]
            ids = torch.cat([ids, self.alphabet[logits.argmax(-1)][:, None]], 1)
            if ids.shape[1] == longest or bool((ids == self.tokens.end).any(1).all()):
                return ids
            seen, place = F.pad(seen, (0, 1), value=True), place + 1
            found = language.model(
                inputs_embeds=language.get_input_embeddings()(ids[:, -1:]),
                attention_mask=seen.long(),
                position_ids=place,
                past_key_values=found.past_key_values,
                use_cache=True,
            )

    def logits(self, hidden: Tensor) -> Tensor:
        return self.language.get_base_model().lm_head(hidden)

    def hidden(self, batch: Batch, present: dict[str, Tensor] | None) -> Tensor:
        """(B, L, hidden): the state that predicts the next token, at each position; the first is that of <program>."""
        program = batch["program"]
        embedded, seen, places = self._sequence(batch, program[:, :-1], present)
        model = self.language.get_base_model().model
        found = model(inputs_embeds=embedded, attention_mask=seen.long(), position_ids=places, use_cache=False)
        return found.last_hidden_state[:, -program.shape[1] :]

    def _sequence(
        self, batch: Batch, program: Tensor, present: dict[str, Tensor] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Modalities, caption and program: embeddings (B, T, hidden), presence (B, T), positions (B, T)."""
        embed = self.language.get_base_model().get_input_embeddings()
        embedded = embed(torch.cat([batch["caption"], program], 1))
        seen = torch.cat([batch["caption"] != self.tokens.pad, torch.ones_like(program, dtype=torch.bool)], 1)
        for name in reversed(list(self.encoders)):
            tokens = self.projectors[name](self.encoders[name](batch[name])).to(embedded.dtype)
            there = torch.ones(len(seen), dtype=torch.bool, device=seen.device)
            there = there if present is None or name not in present else present[name]
            embedded = torch.cat([tokens * there[:, None, None], embedded], 1)
            seen = torch.cat([there[:, None].expand(-1, tokens.shape[1]), seen], 1)
        return embedded, seen, (seen.long().cumsum(1) - 1).clamp(min=0)


def projector(width: int, hidden: int, out: int) -> nn.Sequential:
    """Two layers, from an encoder's width to that of the language model."""
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, out))


def with_adapters(base: nn.Module, lora: Lora) -> Any:
    """The base frozen, with low-rank adapters on its seven projections (a peft.PeftModel)."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(ADAPTED), task_type="CAUSAL_LM"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between these libraries; of no interest to the user
        return get_peft_model(base, config)  # type: ignore[arg-type]


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """Name → parameter, of the trainable ones."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def is_projector(name: str) -> bool:
    return "projectors." in name


def trainable_report(model: nn.Module) -> dict[str, int]:
    """Parameters by part: `base`, `encoders`, `adapters`, `projectors`."""
    counts = dict.fromkeys(("base", "encoders", "adapters", "projectors"), 0)
    for name, parameter in model.named_parameters():
        part = (
            "projectors" if is_projector(name)
            else "encoders" if "encoders." in name
            else "adapters" if "lora_" in name
            else "base"
        )  # fmt: skip
        counts[part] += parameter.numel()
    return counts


def modalities_of(names: Sequence[str]) -> list[str]:
    """The modalities whose projectors are among these parameter names."""
    return sorted({name.split("projectors.")[1].split(".")[0] for name in names if is_projector(name)})
