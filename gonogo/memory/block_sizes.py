"""How the caching allocator rounds the sizes of blocks and segments."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20
SMALLEST = 512  # every block is a multiple of it
SMALL = MIB  # up to here a block comes from the small pool
SMALL_SEGMENT = 2 * MIB
LARGE_SEGMENT = 20 * MIB  # for blocks that are not small and below HUGE
HUGE = 10 * MIB  # from here on a block has a segment of its own
HUGE_ROUNDING = 2 * MIB


@dataclass(frozen=True)
class Rules:
    expandable: bool = False
    max_split: int | None = None  # blocks from this size on are not split
    divisions: int = 0  # sizes are rounded to this many steps between powers of two; 0: to 512 B

    def rounded(self, size: int) -> int:
        """What a block of `size` bytes takes."""
        if self.divisions > 1 and size > SMALLEST * self.divisions:
            step = (1 << (size.bit_length() - 1)) // self.divisions
            return -(-size // step) * step
        return max(SMALLEST, -(-size // SMALLEST) * SMALLEST)

    def oversized(self, size: int) -> bool:
        return self.max_split is not None and size >= self.max_split


def segment_size(size: int) -> int:
    """What is asked of the device for a block of `size` (rounded) bytes, without expandable segments."""
    if size <= SMALL:
        return SMALL_SEGMENT
    return LARGE_SEGMENT if size < HUGE else -(-size // HUGE_ROUNDING) * HUGE_ROUNDING
