"""What is measured of a picture, and of a pair of them, as plain values: nothing to import but pydantic."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from gonogo.base.models import ClosedModel


class PixelStatistics(ClosedModel):
    """Scalars of one picture. Luma runs 0-255, shares 0-1.

    Below 128 rows every pixel counts. Above, levels are taken from one row in five, and structure (Laplacian, noise,
    lag 1 down the columns) from three neighbouring rows in five, over the whole height. On photographs of 256×256 this
    keeps means within 0.5 and percentiles within 2 levels, and Laplacian variances within 8 % (of 95 in 100 pictures).
    """

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
    laplacian_variance: float = Field(description="of the four neighbours' sum less four times the pixel, luma")
    sharpness: float = Field(description="Laplacian variance / variance")
    noise_sigma: float = Field(description="Immerkær's σ̂ with a median, luma; saturates at 63")
    coverage: float = Field(
        description="share of the picture more than 12 from the border's median colour, at 64×64 points"
    )
    border_share: float = Field(description="border pixels within 8 of the border's median colour, of 32 on each side")
    border_level: float = Field(description="brightest channel of the border's median colour, 0-255")
    entropy_bits: float = Field(description="of the luma histogram")
    dhash: str = Field(description="64-bit difference hash of the thumbnail, hex")
    specks: float = Field(default=0, description="pixels that stand out from their neighbours by half the range")
    repeated_lines: float = Field(default=0, description="rows or columns equal to the one before")
    seams: float = Field(default=0, description="rows or columns that differ from the next far more than those near by")
    blocks: float = Field(default=1, description="difference of lines along a grid / near by, median")
    row_jump: float = Field(default=0, description="mean absolute difference of neighbours down the columns, luma")
    column_jump: float = Field(default=0, description="the same along the rows")


class Marks(ClosedModel):
    """Scalars by which a fault shows that many pictures of a set share. Levels run 0-255, shares 0-1."""

    alternation: float = Field(description="mean square difference at lag 2 / lag 1, along rows or down columns, least")
    step_ratio: float = Field(description="mean square difference at lag 1 / lag 8, the greater direction")
    steps_across: float = Field(description="mean square difference of neighbours along the rows, luma")
    steps_down: float = Field(description="the same down the columns")
    alternation_down: float = Field(description="mean square difference at lag 2 / lag 1, down the columns")
    flat_share: float = Field(description="pixels in which Immerkær's kernel finds no change at all")
    mean_blue: float
    mean_green: float
    mean_red: float
    sigma_blue: float
    sigma_green: float
    sigma_red: float
    least_apart: float = Field(description="standard deviation of the difference of the two most alike channels")
    most_apart: float = Field(description="of the two least alike")
    likeness: float = Field(description="greatest correlation of two channels, of the thumbnail")
    fine_likeness: float = Field(
        description="greatest correlation of two channels' second differences along rows; 1 where channels are alike"
    )
    third_likeness: float = Field(description="greatest |correlation| of the third channel with those two")
    third_fine_likeness: float = Field(description="greatest correlation of its second differences with theirs")
    cut_side: str = Field(default="", description="where a part of one colour ends at a straight cut; empty: nowhere")
    cut_share: float = Field(default=0, description="of the height or width, or of the area of a quarter")
    clipped_share: float = Field(default=0, description="points with one channel at its end, another in the middle")
    clipped_spread: float = Field(default=0, description="standard deviation of the darkest channel among them")
    fullest_level: float = Field(default=0, description="share of green's levels in the fullest window of 9")
    second_level: float = Field(default=0, description="in the next fullest")
    few_levels: float = Field(default=0, description="in the four fullest")
    level_gap: int = Field(default=0, description="levels between the middles of the two nearest of them")
    colours: int = Field(default=0, description="in 15 bits; where channels differ in detail, or it is smooth or white")
    unit_error: float = Field(default=1, description="of colours as vectors from grey, median | |v| - 1 |; likewise")
    thirds: float = Field(default=0, description="correlation of the middle third of the columns with the others")
    sharpest: float = Field(default=9, description="mean over rows of the greatest |Laplacian| at 64×64 / σ, luma")
    structure: float = Field(default=0, description="lag-1 autocorrelation of the thumbnail's luma, where it is noisy")
    repeated_rows: float = Field(default=0, description="rows equal to the one before that are not of one luma")
    repeated_columns: float = Field(default=0, description="columns, likewise")


class ImageStatistics(ClosedModel):
    """One picture file. `pixels` and `thumbnail` are None when `problem` says why it cannot be judged."""

    sha256: str = Field(default="", description="of the file's bytes; empty: the file is not there")
    problem: str = ""
    width: int = 0
    height: int = 0
    mode: str = Field(default="", description="`rgb8`, `grey8`, `rgba8`, `rgb16`, `cmyk8`, `rgbf32`, …")
    format: str = Field(default="", description="by the content: png, jpeg, bmp, tiff, webp, gif, npy, exr")
    wrong_suffix: bool = Field(default=False, description="the name says another format than the content")
    file_bytes: int = 0
    bytes_per_sample: float = Field(
        default=0.0, description="file / (height · width · channels stored); an RGB PNG: > .85 noise, < .01 constant"
    )
    palette: bool = Field(default=False, description="colours are indices into a table")
    alpha: bool = Field(default=False, description="has an opacity channel; it is dropped before anything is measured")
    not_opaque_share: float = Field(default=0.0, description="pixels whose opacity is not full")
    grey_in_rgb: bool = Field(default=False, description="three channels, equal in every pixel")
    frames: int = Field(default=1, description="more than 1: animated or paged; the first one is measured")
    orientation: int = Field(default=1, description="EXIF; other than 1: some loaders turn the picture, others do not")
    bits_used: int = Field(default=0, description="of 16-bit samples, by the greatest value; 0: another type")
    not_finite_share: float = Field(default=0.0, description="samples of a float picture that are NaN or Inf")
    outside_unit_share: float = Field(default=0.0, description="samples of a float picture outside 0-1")
    invisible_share: float = Field(default=0.0, description="pixels whose opacity is zero")
    pixels: PixelStatistics | None = None
    marks: Marks | None = None
    thumbnail: Any = Field(default=None, exclude=True, repr=False, description="(32, 32, 3) uint8 BGR; never written")


class PairStatistics(ClosedModel):
    """What needs the pixels of both pictures of a pair."""

    thumbnail_difference: float = Field(description="mean absolute difference of the 32×32 thumbnails, 0-255")
    dhash_bits: int = Field(description="Hamming distance of the difference hashes, 0-64")
    likeness: float = Field(default=1, description="correlation of the 16×16 thumbnails' luma, -1 to 1")
    likeness_mirrored: float = Field(default=0, description="with Y mirrored left to right")
    likeness_turned: float = Field(default=0, description="with Y upside down, mirrored or not")
    likeness_quarter: float = Field(default=0, description="with Y turned by 90° either way, mirrored or not")
    likeness_moved: float = Field(default=1, description="of Y's middle, wherever in X it fits best")
    layout_sigma: float = Field(default=0, description="of X's 16×16 thumbnail, luma")
    detail_ratio: float = Field(default=1, description="of neighbours' differences in the 32×32 thumbnails, Y over X")
    least_detail_ratio: float = Field(default=1, description="the same along the direction where it is least")
    colour_difference: float = Field(default=0, description="root mean square of chroma, at X's exposure, 0-255")
    colour_difference_exchanged: float = Field(default=0, description="with Y's channels exchanged as is best")
    colour_x: float = Field(default=0, description="root mean square chroma of X, 0-255")
    colour_y: float = Field(default=0, description="of Y, at X's exposure")
    colour_shift: float = Field(default=0, description="of the mean colour, in shares of the light")
    foreign_colours: float = Field(default=0, description="share of Y's thumbnail whose colours X's does not have")
    tints_x: float = Field(default=0, description="root mean square chroma of X that light does not explain, 0-255")
    tints_y: float = Field(default=0, description="of Y")
    flattest_channel_x: float = Field(default=0, description="least standard deviation of a channel")
    flattest_channel_y: float = Field(default=0)
