"""The keys under `settings:` in config/experiments/vqgan3d*.yaml."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gonogo import Count, Positive, StrictModel

Size = tuple[Count, Count, Count]


class ScanSettings(StrictModel):
    """The volumes: analytic chest phantoms, or the scans in `inputs`."""

    shape: Size = Field((40, 40, 28), description="voxels of a phantom: right-left, front-back, foot-head")
    field_of_view_mm: Positive = Field(360.0, description="of a phantom, side; the body stays 340 mm wide")
    height_mm: Positive = Field(260.0, description="of a phantom")
    noise_hu: float = Field(15.0, ge=0, description="of a phantom, standard deviation")
    apply_rescale: bool = Field(
        True, description="false: values as a scanner stores them, without the rescale slope and intercept"
    )
    keep_affine: bool = Field(True, description="false: written by a program that lost voxel size and orientation")
    spacing_mm: tuple[Positive, Positive, Positive] | None = Field(
        None, description="scans of `inputs` are resampled to it; null: unchanged"
    )
    dicom_series: Literal["only", "longest"] = Field(
        "only",
        description="for a folder that mixes DICOM series: `only` refuses it, `longest` takes the one with most slices",
    )


class PatchSettings(StrictModel):
    """The patches that training uses. The quality gate's keys of the same names must agree."""

    size: Size = Field((24, 24, 16), description="voxels")
    stride: Size = Field((16, 16, 12), description="voxels from patch to patch")
    tail_anchored: bool = Field(True, description="add a last patch flush with each axis's end; false: drop the rest")
    window_hu: tuple[float, float] = Field((-1000.0, 1000.0), description="values are clipped to it, then scaled to ±1")

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.window_hu[0] >= self.window_hu[1]:
            raise ValueError(f"window_hu {self.window_hu} is empty: the lower bound comes first")
        if any(stride > size for stride, size in zip(self.stride, self.size, strict=True)):
            raise ValueError(f"stride {self.stride} is longer than the patch {self.size}: it leaves gaps")
        return self


class CodebookSettings(StrictModel):
    codes: int = Field(128, ge=2, description="entries")
    width: Count = Field(8, description="channels of an entry")
    decay: float = Field(0.99, gt=0, lt=1, description="decay of the moving averages that entries follow")
    restart_below: float = Field(
        1.0, ge=0, description="tokens per batch, on average; an entry used less often is reset to a random token"
    )


class DiscriminatorSettings(StrictModel):
    """PatchGAN on slices (2-D) and on patches (3-D), hinge loss."""

    channels: Count = 8
    layers: Count = 2
    start_step: int = Field(150, ge=0, description="optimizer step at which they start; before, they change nothing")


class LossSettings(StrictModel):
    """Weights of the generator's loss terms."""

    l1: float = Field(1.0, ge=0)
    commitment: float = Field(0.25, ge=0)
    gan_2d: float = Field(0.01, ge=0)
    gan_3d: float = Field(0.01, ge=0)


class ModelSettings(StrictModel):
    hidden: Count = Field(4, description="channels of the first level; doubled at each downsampling")
    downsample: Count = Field(4, description="of each axis, a power of two")
    codebook: CodebookSettings = CodebookSettings()
    discriminators: DiscriminatorSettings = DiscriminatorSettings()
    losses: LossSettings = LossSettings()
    checkpointing: bool = Field(False, description="activations are recomputed in the backward pass")

    @model_validator(mode="after")
    def _power_of_two(self) -> Self:
        if self.downsample & (self.downsample - 1):
            raise ValueError(f"downsample {self.downsample} is not a power of two")
        return self


class VQGAN3DSettings(StrictModel):
    scans: ScanSettings = ScanSettings()
    patches: PatchSettings = PatchSettings()
    model: ModelSettings = ModelSettings()

    @model_validator(mode="after")
    def _patch_divides(self) -> Self:
        if any(side % self.model.downsample for side in self.patches.size):
            raise ValueError(
                f"patches.size {self.patches.size} must be divisible by model.downsample {self.model.downsample}"
            )
        return self
