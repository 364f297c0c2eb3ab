"""One pass over a picture: read, hash and decode once, then everything that any check asks for."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from gonogo.quality.measurements import ImageStatistics, PairStatistics, PixelStatistics

cv2.setNumThreads(1)  # files are worked on side by side; threads inside one small picture only cost

SMALLEST_SIDE = 16  # pixels; below, lag 8 and the 32×32 thumbnail say nothing
THUMBNAIL = (32, 32)
COVERED_LEVELS, BORDER_LEVELS = 12, 8  # distance from the border's median colour, 0-255
DARKEST, BRIGHTEST = 8, 246  # luma that counts as black, as white
QUANTILES = np.array([0.01, 0.05, 0.50, 0.95, 0.99])
LEVELS = np.arange(256, dtype=np.float64)
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
MEDIAN_TO_SIGMA = 1 / (0.6745 * 6)  # |response| of NOISE_KERNEL to white noise: σ = median / 0.6745 / 6
PNG_START, PNG_END = b"\x89PNG", b"IEND\xaeB`\x82"
MODES = {1: "grey", 3: "rgb", 4: "rgba"}


def image_statistics(path: Path | str) -> ImageStatistics:
    """Hash, mode, statistics and thumbnail of one file; `problem` tells why one cannot be read or decoded."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return ImageStatistics(problem="missing")
    except OSError as error:
        return ImageStatistics(problem=f"cannot be read: {error.strerror}")
    sha256 = hashlib.sha256(data).hexdigest()
    picture, problem = _decode(data)
    if picture is None:
        return ImageStatistics(sha256=sha256, problem=problem)
    height, width = picture.shape[:2]
    mode = _mode(picture)
    if min(height, width) < SMALLEST_SIDE:
        problem = f"{width}×{height} pixels; too small to judge below {SMALLEST_SIDE}"
        return ImageStatistics(sha256=sha256, problem=problem, width=width, height=height, mode=mode)
    bgr, problem = _as_bgr8(picture)
    if bgr is None:
        return ImageStatistics(sha256=sha256, problem=problem, width=width, height=height, mode=mode)
    thumbnail = cv2.resize(bgr, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
    return ImageStatistics(
        sha256=sha256,
        width=width,
        height=height,
        mode=mode,
        pixels=pixel_statistics(bgr),
        thumbnail=thumbnail,
    )


def pixel_statistics(bgr: np.ndarray) -> PixelStatistics:
    """All scalars of a (H, W, 3) uint8 BGR picture of at least 16×16 pixels.

    Sources: luma is Rec. 601; noise: Immerkær, Fast Noise Variance Estimation, CVIU 64 (1996), with a median
    for the mean, so that edges do not count; difference hash: Krawetz, Kind of Like That (2013).
    """
    grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    count = height * width
    histogram = _histogram(grey)
    cumulative = histogram.cumsum()
    p1, p5, p50, p95, p99 = np.searchsorted(cumulative, QUANTILES * count).tolist()
    mean = float(histogram @ LEVELS) / count
    variance = max(float(histogram @ (LEVELS * LEVELS)) / count - mean * mean, 0.0)
    shares = histogram[histogram > 0] / count
    laplacian = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1].item() ** 2
    coverage, border_share, border_level = _against_border(bgr)
    return PixelStatistics(
        mean=mean, sigma=variance**0.5, p1=p1, p5=p5, p50=p50, p95=p95, p99=p99,
        black_share=float(cumulative[DARKEST]) / count,
        white_share=1 - float(cumulative[BRIGHTEST - 1]) / count,
        mode_share=float(histogram.max()) / count,
        autocorrelation_1=_autocorrelation(grey, 1, variance),
        autocorrelation_8=_autocorrelation(grey, 8, variance),
        laplacian_variance=laplacian,
        sharpness=laplacian / max(variance, 1.0),
        noise_sigma=_noise_sigma(grey),
        coverage=coverage, border_share=border_share, border_level=border_level,
        entropy_bits=max(0.0, -float(shares @ np.log2(shares))),
        dhash=_difference_hash(grey),
    )  # fmt: skip


def pair_statistics(x: ImageStatistics, y: ImageStatistics) -> PairStatistics | None:
    """How alike two pictures are, by what `image_statistics` kept of them; None if one could not be read."""
    if x.pixels is None or y.pixels is None:
        return None
    return PairStatistics(
        thumbnail_difference=float(np.abs(x.thumbnail - y.thumbnail).mean()),
        dhash_bits=(int(x.pixels.dhash, 16) ^ int(y.pixels.dhash, 16)).bit_count(),
    )


def _decode(data: bytes) -> tuple[np.ndarray | None, str]:
    """The picture as it is stored (H, W[, C]), or None and the reason."""
    if not data:
        return None, "empty file"
    if data.startswith(PNG_START) and not data.rstrip(b"\0").endswith(PNG_END):
        return None, "truncated: the PNG's end is missing"
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        picture = None
    return picture, "" if picture is not None else "truncated, damaged, or not a picture"


def _mode(picture: np.ndarray) -> str:
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    kind = "f" if picture.dtype.kind == "f" else ""
    return f"{MODES.get(channels, f'{channels}-channel')}{kind}{picture.dtype.itemsize * 8}"


def _as_bgr8(picture: np.ndarray) -> tuple[np.ndarray | None, str]:
    """What a loader would show: 16 bits scaled to 8, alpha dropped, grey repeated, floats taken as 0-1."""
    if picture.dtype == np.uint16:
        picture = cv2.convertScaleAbs(picture, alpha=1 / 257)
    elif picture.dtype.kind == "f":
        if not np.isfinite(picture).all():  # before clipping, which would hide it
            return None, "holds NaN or Inf"
        picture = (picture.clip(0, 1) * 255).round().astype(np.uint8)
    if picture.dtype != np.uint8:
        return None, f"samples are {picture.dtype}, not 8 or 16 bits"
    if picture.ndim == 2 or picture.shape[2] == 1:
        return cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), ""
    if picture.shape[2] == 3:
        return picture, ""
    if picture.shape[2] == 4:
        return cv2.cvtColor(picture, cv2.COLOR_BGRA2BGR), ""
    return None, f"{picture.shape[2]} channels"


def _histogram(grey: np.ndarray) -> np.ndarray:
    return cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel().astype(np.float64)


def _autocorrelation(grey: np.ndarray, lag: int, variance: float) -> float:
    """1 - E[Δ²] / 2σ², the mean over columns and rows; 1 for a picture that hardly varies."""
    if variance <= 1:
        return 1.0
    height, width = grey.shape
    across = cv2.norm(grey[:, lag:], grey[:, :-lag], cv2.NORM_L2SQR) / (height * (width - lag))
    down = cv2.norm(grey[lag:], grey[:-lag], cv2.NORM_L2SQR) / ((height - lag) * width)
    return 1 - (across + down) / (4 * variance)


def _noise_sigma(grey: np.ndarray) -> float:
    response = cv2.convertScaleAbs(cv2.filter2D(grey, cv2.CV_16S, NOISE_KERNEL)[1:-1, 1:-1])
    cumulative = _histogram(response).cumsum()
    return float(np.searchsorted(cumulative, cumulative[-1] / 2)) * MEDIAN_TO_SIGMA


def _against_border(bgr: np.ndarray) -> tuple[float, float, float]:
    """Share of the picture off the border's median colour; of the border near it; its brightest channel."""
    border = np.concatenate([bgr[0], bgr[-1], bgr[:, 0], bgr[:, -1]])
    median = np.median(border, axis=0)
    background = median.astype(int)
    off_border = cv2.inRange(bgr, background - COVERED_LEVELS, background + COVERED_LEVELS)
    coverage = 1 - cv2.countNonZero(off_border) / off_border.size
    border_share = float((np.abs(border - median).max(axis=1) <= BORDER_LEVELS).mean())
    return coverage, border_share, float(median.max())


def _difference_hash(grey: np.ndarray) -> str:
    small = cv2.resize(cv2.resize(grey, (36, 32), interpolation=cv2.INTER_AREA), (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()
