"""The keys under `settings:` in config/experiments/cvs*.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from gonogo import Count, Fraction, Positive, StrictModel


class Cameras(StrictModel):
    """The poses of the views."""

    orbit: Literal["cloud", "origin"] = Field("cloud", description="what the cameras circle and look at")
    radius: Positive | None = Field(None, description="null: the input camera's distance from the orbit's centre")
    arc_deg: Positive = Field(
        50.0, le=360, description="azimuths are spread over this arc around the input's; 360: full circle"
    )
    elevation_deg: float = Field(8.0, ge=0, lt=90, description="elevations vary up to this, item by item")

    @model_validator(mode="after")
    def _radius_about_the_origin(self) -> Self:
        if self.orbit == "origin" and self.radius is None:
            raise ValueError("`orbit: origin` needs a radius, because the input camera is at the origin: `radius: 2.0`")
        return self


class DataSettings(StrictModel):
    """The generator: photograph + depth → Gaussians → posed views."""

    image_size: int = Field(64, ge=8, description="side of inputs and views, pixels")
    views: Count = 8
    near: Positive = Field(2.0, description="depth of the nearest point, scene units")
    far: Positive = Field(4.0, description="depth of the farthest point, scene units")
    focal_ratio: Positive = Field(1.2, description="focal length / image width")
    grid: int = Field(32, ge=4, description="decoder cells per side")
    gaussians_per_cell: Count = 4
    fit_steps: Count = Field(80, description="optimizer steps of the decoder's fit")
    match_exposure: bool = Field(
        False, description="scale rendered views to their photograph's mean luminance, by at most a factor of 4"
    )
    cameras: Cameras = Cameras()
    depth_model: Path | None = Field(
        None, description="depth_anything_v2_small.onnx; null: embedded prior, or true disparity"
    )
    decoder_model: Path | None = Field(None, description="gaussian_decoder.onnx; null: the decoder fitted here")

    @model_validator(mode="after")
    def _near_before_far(self) -> Self:
        if self.near >= self.far:
            raise ValueError(f"near ({self.near:g}) must be less than far ({self.far:g})")
        return self


class ModelSettings(StrictModel):
    """The U-Net and its objective."""

    patch_size: Count = Field(2, description="pixels per side folded into channels before the first level; 1: none")
    base_channels: Count = Field(32, multiple_of=4)
    channel_multipliers: tuple[Count, ...] = Field((1, 2, 2), min_length=1, description="one per level of the U-Net")
    res_blocks: Count = Field(1, description="residual blocks per level, down and up")
    token_width: Count = Field(64, multiple_of=4, description="of image and pose tokens in the cross-attention")
    image_tokens: Literal["patches", "dinov2"] = "patches"
    token_model: Path | None = Field(None, description="dinov2_small.onnx, for `image_tokens: dinov2`")
    pose_tokens: Count = 16
    diffusion_steps: int = Field(1000, ge=2)
    perceptual_weight: float = Field(0.5, ge=0)
    consistency_weights: tuple[float, float, float] = Field((0.1, 0.3, 1.0), description="by thirds of training")
    depth_edge_weight: Fraction = Field(0.2, description="loss weight of pixels on a depth edge, or not rendered")
    checkpointing: bool = Field(False, description="activations of residual blocks are recomputed in the backward pass")


class CVSSettings(StrictModel):
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
