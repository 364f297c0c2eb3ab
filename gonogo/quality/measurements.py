"""What the quality gate measures, as plain values: no threshold, no picture, nothing to import but pydantic.

Posed views lie in one or more data folders (shards):

    image_0000/input.png
               input_depth.npy    (H, W) distance along the camera's axis, > 0; may be absent
               view_000/rgb.png
                        depth.npy (H, W), 0 where nothing was rendered; may be absent
                        pose.json as gonogo.quality.cameras reads it; may be absent
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gonogo.measured import Measured

INPUT, INPUT_DEPTH = "input.png", "input_depth.npy"
PICTURE, DEPTH, POSE = "rgb.png", "depth.npy", "pose.json"

Point = tuple[float, float, float]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PixelStatistics(_Model):
    """Scalars of one picture. Luma runs 0-255, shares 0-1."""

    mean: float = Field(description="luma")
    sigma: float = Field(description="standard deviation of luma")
    p1: int = Field(description="percentiles of luma")
    p5: int
    p50: int
    p95: int
    p99: int
    black_share: float = Field(description="luma at most 8")
    white_share: float = Field(description="luma at least 246")
    mode_share: float = Field(description="the fullest luma bin")
    autocorrelation_1: float = Field(description="ρ₁ = 1 - E[Δ²] / 2σ² at lag 1, rows and columns; 1 where σ <= 1")
    autocorrelation_8: float = Field(description="the same at lag 8")
    laplacian_variance: float
    sharpness: float = Field(description="Laplacian variance / variance")
    noise_sigma: float = Field(description="Immerkær's σ̂ with a median, luma; saturates at 63")
    coverage: float = Field(description="pixels more than 12 from the border's median colour")
    border_share: float = Field(description="border pixels within 8 of the border's median colour")
    border_level: float = Field(description="brightest channel of the border's median colour, 0-255")
    entropy_bits: float = Field(description="of the luma histogram")
    dhash: str = Field(description="64-bit difference hash, hex")


class ImageStatistics(_Model):
    """One picture file. `pixels` and `thumbnail` are None when `problem` says why it cannot be read."""

    sha256: str = Field(default="", description="of the file's bytes; empty: the file is not there")
    problem: str = ""
    width: int = 0
    height: int = 0
    mode: str = Field(default="", description="`rgb8`, `grey8`, `rgba8`, `rgb16`, …")
    pixels: PixelStatistics | None = None
    thumbnail: Any = Field(
        default=None, exclude=True, repr=False, description="(32, 32, 3) float32 BGR 0-255; never written"
    )


class PairStatistics(_Model):
    """What needs the pixels of both pictures of a pair."""

    thumbnail_difference: float = Field(description="mean absolute difference of the 32×32 thumbnails, 0-255")
    dhash_bits: int = Field(description="Hamming distance of the difference hashes, 0-64")


class ViewMeasurement(_Model):
    """One rendered view. None: not measured, because a file is absent or unreadable."""

    name: str = Field(description="`view_000`")
    picture: ImageStatistics
    pair: PairStatistics | None = Field(default=None, description="against the scene's input")
    angle_deg: float | None = Field(default=None, description="from the input's camera")
    rendered_share: float | None = Field(default=None, description="pixels with depth > 0")
    visible_points_share: float | None = Field(
        default=None,
        description="points of the input's depth map in front of the camera and inside its frame",
    )
    cloud_frame_share: float | None = Field(default=None, description="share of the frame that those points fall in")
    cloud_off_axis_deg: float | None = Field(
        default=None, description="between the viewing axis and the cloud's centre"
    )
    nearer_than_others: float | None = Field(
        default=None, description="share of other scenes' inputs that are further than its own"
    )
    identical_to: str = Field(default="", description="path of an earlier view with the same bytes")


class SceneMeasurement(_Model):
    """One input with its views: the unit of every decision."""

    name: str = Field(description="`image_0000`")
    folder: str = Field(description="data folder that it lies in")
    input: ImageStatistics
    identical_to: str = Field(default="", description="name of an earlier scene whose input has the same bytes")
    cloud_centre: Point | None = Field(default=None, description="median point of the input's depth map, world")
    look_at: Point | None = Field(default=None, description="where the cameras' axes meet, world; None: nowhere")
    views: list[ViewMeasurement]


class FileProblem(_Model):
    path: str = Field(description="from the data folder")
    reason: str


class ViewMeasurements(Measured):
    """Posed views of several data folders (shards)."""

    folders: list[str]
    scenes: list[SceneMeasurement]
    files: int = Field(description="files that were to be read")
    problems: list[FileProblem] = Field(description="files that could not be")
    view_variance_ratio: float | None = Field(
        default=None,
        description="Σ variance of the views' thumbnails / of the inputs'; None below two scenes",
    )
    pairing_auc: float | None = Field(default=None, description="mean of `nearer_than_others`")
    manifest: dict[str, str] = Field(description="path from the data folder → sha256, for every file below")
