"""The keys under `settings:` in config/experiments/eeg*.yaml."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gonogo import Count, Fraction, Positive, StrictModel


class RecordedSettings(StrictModel):
    """How the files of `inputs:` are read."""

    files: tuple[str, ...] = Field(
        (), description="paths below `inputs` that must exist; only these are read; empty: all files are"
    )
    target: str = Field(
        "", description="data set of a cache (empty: `targets` or `labels`), or column of participants.tsv, to predict"
    )
    unit: str = Field("µV", description="for files that name none: V, mV or µV")
    resample: bool = Field(False, description="resample EDF, BDF and FIF files of another rate; false: refuse them")


class DataSettings(StrictModel):
    """The recordings: subjects, signal, and faults on the way to the file."""

    channels: int = Field(8, ge=4, description="electrodes, evenly over the scalp")
    sample_rate_hz: Positive = 100.0
    window_samples: int = Field(200, ge=32, description="samples of a window")
    windows: Count = Field(8, description="windows per recording, at different times; with `inputs`, at most")
    recordings_per_subject: Count = Field(2, description="consecutive items from one subject")
    factor_effect: float = Field(
        0.5,
        ge=0,
        description="one unit of the factor multiplies theta's amplitude by e^this, and divides alpha's",
    )
    state_sigma: float = Field(0.3, ge=0, description="standard deviation of the target over one subject's windows")
    artefact_rate: Fraction = Field(0.15, description="share of windows with a blink; half as many with muscle noise")
    range_uv: Positive = Field(1000.0, description="the amplifier's largest value, µV; larger ones are clipped")
    loose_channels: Fraction = Field(0.0, description="share of electrodes without contact, which record nothing")
    gap_windows: Fraction = Field(0.0, description="share of windows with lost packets, which are NaN in the file")
    stop_after: Count | None = Field(
        None, description="windows after which the writer stops, leaving its file incomplete; null: never"
    )
    recorded: RecordedSettings = RecordedSettings()

    @model_validator(mode="after")
    def _alpha_is_below_half_the_rate(self) -> Self:
        if self.sample_rate_hz < 64:
            raise ValueError(f"sample_rate_hz ({self.sample_rate_hz:g}) must be 64 or more, for bands up to 30 Hz")
        return self


class ModelSettings(StrictModel):
    """EEGNeX-8,32 and its training."""

    filters: tuple[Count, Count] = Field((8, 32), description="filters of the first two temporal convolutions")
    depth_multiplier: Count = Field(2, description="spatial filters for each temporal one")
    kernel: Count = Field(64, description="samples, kernel of the first two temporal convolutions")
    late_kernel: Count = Field(16, description="samples, kernel of the last two, which are dilated by 2 and 4")
    dropout: Fraction = 0.5
    patience: Count = Field(5, description="epochs without a better validation loss, after which training stops")


class EEGSettings(StrictModel):
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    split: Literal["subject", "recording"] = Field(
        "subject", description="the unit that is held out; with `recording` a subject can be on both sides"
    )
