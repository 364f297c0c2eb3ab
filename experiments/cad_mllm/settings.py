"""The keys under `settings:` in config/experiments/cad_mllm*.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from gonogo import Asset, Count, Fraction, LocalPath, Positive, StrictModel

Modality: TypeAlias = Literal["text", "points", "image"]
Combination: TypeAlias = Literal["text", "text+points", "text+image", "text+points+image"]


class OmniFolders(StrictModel):
    """Where the four kinds of files lie, from `inputs`, or anywhere."""

    txt: LocalPath = Field(Path("txt"), description="captions: `--omnicad_txt_path`")
    json_models: LocalPath = Field(Path("json"), alias="json", description="CAD models: `--omnicad_json_root`")
    img: LocalPath = Field(Path("img"), description="pictures: `--omnicad_img_root`")
    pointcloud: LocalPath = Field(Path("pointcloud"), description="point clouds: `--omnicad_pc_root`")


class DataSettings(StrictModel):
    """The parts: captions, CAD programs, and the modalities that later stages of the curriculum read."""

    modalities: tuple[Modality, ...] = Field(("text",), min_length=1, description="files of every part")
    absent: tuple[Modality, ...] = Field(
        (), description="modalities that are not written: simulates an incomplete download"
    )
    caption_detail: Fraction = Field(0.6, description="probability that a caption names a size")
    points: Count = Field(256, description="points of a cloud, sampled from the surface, with normals")
    image_size: int = Field(32, ge=8, multiple_of=8, description="side of the picture, pixels")
    folders: OmniFolders = OmniFolders()


class Lora(StrictModel):
    """Low-rank adapters (Hu et al. 2021) on queries, keys, values, outputs and the three parts of the MLP."""

    r: Count = 8
    alpha: Count = Field(16, description="adapters are scaled by alpha / r")
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class Base(StrictModel):
    """The language model under the adapters: Qwen3's architecture, random or pretrained, always frozen."""

    pretrained: Asset | None = Field(
        None, description="folder of a Qwen3 with its tokenizer, as saved by transformers; null: made by `prepare`"
    )
    bits: Literal[4] | None = Field(
        None,
        description="4: layers of `pretrained` at 4 bits, by bitsandbytes (extra `four-bit`); null: as saved",
    )
    hidden_size: Count = 128
    intermediate_size: Count = 384
    layers: Count = 2
    heads: Count = 4
    key_value_heads: Count = 2
    head_dim: Count = 32
    vocabulary: int = Field(0, ge=0, description="of the embedding; 0: as many as the built-in tokenizer has words")
    tied: bool = Field(True, description="input and output embeddings are shared")
    steps: Count = Field(120, description="steps of the base's own training in `prepare`, on parts that no stage sees")
    learning_rate: Positive = 3e-3

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.heads % self.key_value_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of key_value_heads ({self.key_value_heads})")
        if self.bits and self.pretrained is None:
            raise ValueError("bits: 4 is for a `pretrained` base; write `bits: null` for the one that is made here")
        return self


class PointEncoder(StrictModel):
    """Perceiver: latents attend to the cloud (Jaegle et al. 2021; Zhao et al. 2023). Frozen."""

    kind: Literal["perceiver", "michelangelo"] = Field(
        "perceiver",
        description="`michelangelo`: the published encoder, whose weights have latents 256, width 768, heads 12, "
        "layers 8",
    )
    weights: Asset | None = Field(None, description="state of a trained encoder; null: fixed weights, see encoders.py")
    latents: Count = Field(10, description="tokens per cloud")
    width: Count = Field(64, multiple_of=4)
    heads: Count = 4
    layers: int = Field(0, ge=0, description="layers of self-attention among the latents")

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        if self.kind == "michelangelo" and self.weights is None:
            raise ValueError("`kind: michelangelo` needs `weights`: the published encoder's file")
        return self


class ImageEncoder(StrictModel):
    """Patches of the picture, embedded. Frozen."""

    weights: Asset | None = Field(None, description="state of a trained encoder; null: cosine transform of each patch")
    patch: Count = Field(16, description="pixels per side; divides the picture's")
    width: Count = 32
    heads: Count = 4
    layers: int = Field(0, ge=0)


class ModelSettings(StrictModel):
    """What is trained, and on what."""

    base: Base = Base()
    lora: Lora = Lora()
    point_encoder: PointEncoder = PointEncoder()
    image_encoder: ImageEncoder = ImageEncoder()
    projector_width: Count = Field(128, description="hidden width of the two-layer projectors")
    projector_rate: Positive = Field(5.0, description="their learning rate, relative to the adapters'")
    max_seq_length: Count = Field(42, description="text tokens, caption and program together; longer ones are cut")
    max_caption_tokens: Count = Field(16, description="of these, at most for the caption")
    gradient_checkpointing: bool = False
    chunked_loss: bool = Field(False, description="logits of 1,024 tokens at a time, recomputed in the backward pass")
    sampling: dict[Combination, Fraction] = Field(
        default_factory=lambda: {"text": 1.0}, description="share of training samples that show these modalities"
    )

    @model_validator(mode="after")
    def _shares_and_lengths(self) -> Self:
        if abs(sum(self.sampling.values()) - 1) > 1e-6:
            raise ValueError(f"sampling: the shares must add up to 1, not {sum(self.sampling.values()):g}")
        if self.max_caption_tokens >= self.max_seq_length:
            raise ValueError("max_caption_tokens must leave room for the program in max_seq_length")
        return self


class CADSettings(StrictModel):
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()

    @model_validator(mode="after")
    def _sampled_is_there(self) -> Self:
        if self.data.image_size % self.model.image_encoder.patch:
            patch = self.model.image_encoder.patch
            raise ValueError(f"data.image_size ({self.data.image_size}) must be a multiple of the patch ({patch})")
        asked = {part for combination in self.model.sampling for part in combination.split("+")}
        if missing := sorted(asked - set(self.data.modalities)):
            raise ValueError(f"model.sampling names {', '.join(missing)}, which data.modalities does not")
        return self
