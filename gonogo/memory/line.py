"""Memory by micro-batch, between two traced sizes and beyond them."""

from __future__ import annotations

from pydantic import BaseModel


class Line(BaseModel):
    """Needed bytes are `fixed + per_sample × micro-batch`, through two traced sizes."""

    fixed_bytes: float
    per_sample_bytes: float

    def at(self, micro_batch_size: int) -> int:
        return round(self.fixed_bytes + self.per_sample_bytes * micro_batch_size)

    def largest_within(self, size_bytes: float) -> int:
        """Largest micro-batch that stays within the size; 0 where not even the fixed part does."""
        if self.per_sample_bytes <= 0:
            return 0 if self.fixed_bytes > size_bytes else 1 << 30
        return max(0, int((size_bytes - self.fixed_bytes) / self.per_sample_bytes))
