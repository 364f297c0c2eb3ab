"""A figure with its range."""

from __future__ import annotations

from pydantic import BaseModel


class Range(BaseModel):
    """A low, a likely and a high value."""

    low: float
    mid: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(low=self.low + other.low, mid=self.mid + other.mid, high=self.high + other.high)

    def scaled(self, factor: float) -> Range:
        return Range(low=self.low * factor, mid=self.mid * factor, high=self.high * factor)

    def times(self, other: Range) -> Range:
        return Range(low=self.low * other.low, mid=self.mid * other.mid, high=self.high * other.high)
