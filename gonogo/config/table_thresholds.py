"""Thresholds for tables and for shards of samples."""

from __future__ import annotations

from pydantic import Field

from gonogo.base.models import Fraction, Positive, StrictModel


class TablesGate(StrictModel):
    """Are tables (.csv, .tsv, .parquet, .arrow, .feather) worth training on?

    Source of the defaults: a judgement, tried on the tables of scikit-learn and statsmodels. A change of `target` reads
    the files again.
    """

    target: str = Field("", description="column to be predicted; empty: `target`, `label`, `class` or `y`, if any")
    max_missing: Fraction = Field(0.5, description="share of a column's cells that are missing; above: a warning")
    max_empty_cells: Fraction = Field(0.5, description="share of all cells that are missing; above: a bad table")
    max_missing_targets: Fraction = Field(0.01, description="share of rows without a target; above: NO-GO")
    max_odd_rows: Fraction = Field(0.001, description="share of rows with more or fewer cells than names; above: bad")
    max_words: Fraction = Field(
        0.01, description="share of a column of numbers that is none; above: bad, below: a warning"
    )
    max_repeated_rows: Fraction = Field(0.05, description="share of rows that repeat another; above: a warning")
    max_leaked_rows: Fraction = Field(
        0.01,
        description="share of a split's rows that are in another split, beyond what repeats within one; above: NO-GO",
    )
    max_imbalance: Positive = Field(100, description="rows of the commonest class / of the rarest; above: a warning")


class ShardsGate(StrictModel):
    """Are WebDataset shards (.tar) worth training on? A sample is the members of one name, up to its first dot.

    Source of the defaults: a judgement.
    """

    max_incomplete: Fraction = Field(0.01, description="share of samples without a member that most have; above: bad")
    max_bad_members: Fraction = Field(
        0.01, description="share of members that are empty, or no whole picture or JSON; above: bad, below: a warning"
    )
    max_repeated: Fraction = Field(0.05, description="share of samples that repeat another; above: a warning")
