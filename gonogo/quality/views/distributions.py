"""Which columns of the table of posed views are drawn, and their thresholds."""

from __future__ import annotations

from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.distributions import Distribution, Threshold, above, below


def views_distributions(gate: QualityGate) -> list[Distribution]:
    """One for each statistic that has a threshold of its own; all are of the view, some against its input."""
    return [
        Distribution(
            "brightness_ratio", "Brightness / the input's", "mean Y / mean X", 0.02, 8,
            (below(gate.min_brightness_ratio, "dark"), above(gate.max_brightness_ratio, "bright")), log=True,
        ),
        Distribution("p99", "Brightest luma (p99)", "luma", 0, 255, (below(gate.dark_p99, "dark"),)),
        Distribution("white_share", "White pixels", "share", 0, 1, (above(gate.max_white_share, "overexposed"),)),
        Distribution("sigma", "Spread of luma (σ)", "luma", 0, 128, (below(gate.min_sigma, "constant"),)),
        Distribution(
            "autocorrelation_1", "Autocorrelation, 1 pixel", "", -0.2, 1, (below(gate.min_autocorrelation, "noise"),)
        ),
        Distribution(
            "autocorrelation_8", "Autocorrelation, 8 pixels", "", -0.2, 1,
            (below(gate.min_autocorrelation_8, "blotchy"),),
        ),
        Distribution("noise_sigma", "Noise (Immerkær's σ)", "luma", 0, 64, (above(gate.max_noise_sigma, "noisy"),)),
        Distribution("sharpness", "Sharpness", "Laplacian variance / variance", 0.001, 20, log=True),
        Distribution(
            "blocks", "Blocks", "difference along a grid / near by", 0.5, 20, (above(gate.max_blocks, "blocks"),),
            log=True,
        ),
        Distribution(
            "likeness", "Likeness to the input", "correlation", -1, 1, (below(gate.min_likeness, "negative"),)
        ),
        Distribution(
            "coverage_ratio", "Coverage / the input's", "share of Y / share of X off the border's colour", 0, 2,
            (below(gate.min_coverage_ratio, "empty"),),
        ),
        Distribution(
            "dhash_bits", "Difference from the input", "bits of 64", 0, 64,
            (Threshold(gate.max_copy_bits + 0.5, f"copy <= {gate.max_copy_bits}", "below"),),
        ),
        Distribution(
            "visible_points_share", "Input's points in view", "share", 0, 1,
            (below(gate.min_visible_points, "misses"),),
        ),
        Distribution("nearer_than_others", "Own input is nearest", "share of inputs", 0, 1),
    ]  # fmt: skip
