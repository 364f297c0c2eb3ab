"""Blocks, segments and pools of the caching allocator; `gonogo.memory.allocator` says whose rules these are."""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain

from gonogo.memory.block_sizes import LARGE_SEGMENT, SMALL, SMALL_SEGMENT, SMALLEST, Rules, segment_size

ADDRESSES = 1 << 50  # length of an expandable segment: more than any device holds


class OutOfDeviceMemory(Exception):
    """The device has no room, even after all cached memory was released."""


class Block:
    """A range of addresses in one segment; its neighbours there are linked."""

    __slots__ = ("address", "free", "mapped", "next", "pool", "previous", "size")

    def __init__(self, address: int, size: int, pool: Pool, previous: Block | None, mapped: bool = True) -> None:
        self.address, self.size, self.pool, self.previous, self.mapped = address, size, pool, previous, mapped
        self.next: Block | None = None
        self.free = True

    @property
    def whole(self) -> bool:
        """It is a segment, not a part of one."""
        return self.previous is None and self.next is None

    @property
    def expandable_size(self) -> int:
        """With the addresses behind it that have no pages yet."""
        return self.size + (self.next.size if self.next is not None and not self.next.mapped else 0)


class Pool:
    """Free blocks by size, then address; in an expandable segment also ranges without pages, by address."""

    def __init__(self, page: int) -> None:
        self.page = page
        self.free: list[tuple[int, int, Block]] = []
        self.unmapped: list[tuple[int, Block]] = []

    def add(self, block: Block) -> None:
        if block.mapped:
            insort(self.free, (block.size, block.address, block))
        else:
            insort(self.unmapped, (block.address, block))

    def remove(self, block: Block) -> None:
        if block.mapped:
            del self.free[bisect_left(self.free, (block.size, block.address))]
        else:
            del self.unmapped[bisect_left(self.unmapped, (block.address,))]


class Heap:
    """One device's memory, as one process's allocator sees it. Sizes are bytes.

    Attributes:
        reserved: taken from the device; never above `capacity`.
        pools: of each stream, for small and for large blocks.
        retries: see `gonogo.memory.allocator.Replay`.
    """

    def __init__(self, rules: Rules, capacity: int | None) -> None:
        self.rules, self.capacity = rules, capacity
        self.pools: dict[int, tuple[Pool, Pool]] = {}
        self.reserved = self.peak_reserved = self.retries = 0
        self._next_address = 0

    def allocate(self, size: int, stream: int = 0) -> Block:
        """A block of at least `size` bytes; what one stream has released serves that stream alone.

        Raises:
            OutOfDeviceMemory: there is no room.
        """
        wanted = self.rules.rounded(size)
        if stream not in self.pools:
            self.pools[stream] = Pool(SMALL_SEGMENT), Pool(LARGE_SEGMENT)
        pool = self.pools[stream][wanted > SMALL]
        block = self._cached(pool, wanted) or self._fresh(pool, wanted)
        if block is None and self._release_oversized(pool, wanted):
            block = self._fresh(pool, wanted)
        if block is None:
            self.retries += 1
            self._release_cached()
            block = self._fresh(pool, wanted)
        if block is None:
            raise OutOfDeviceMemory
        self._split(block, wanted)
        block.free = False
        return block

    def release(self, block: Block) -> None:
        """Back to its pool, merged with free neighbours; nothing is released to the device."""
        block.free = True
        self._merge_neighbours(block)
        block.pool.add(block)

    # --- where a block comes from ---

    def _cached(self, pool: Pool, wanted: int) -> Block | None:
        """The best fit among free blocks."""
        index = bisect_left(pool.free, (wanted,))
        if index == len(pool.free):
            return None
        if self.rules.expandable:  # the end of what has pages would have to grow least often: it is taken last
            while (
                index + 1 < len(pool.free)
                and pool.free[index + 1][2].expandable_size < pool.free[index][2].expandable_size
            ):
                index += 1
        size, _, block = pool.free[index]
        if self.rules.oversized(size) and (not self.rules.oversized(wanted) or size >= wanted + LARGE_SEGMENT):
            return None
        del pool.free[index]
        return block

    def _fresh(self, pool: Pool, wanted: int) -> Block | None:
        """A block of new memory; None where the device has no more."""
        if self.rules.expandable:
            return self._expanded(pool, wanted)
        size = segment_size(wanted)
        if not self._reserve(size):
            return None
        block = Block(self._next_address, size, pool, None)
        self._next_address += size
        return block

    def _reserve(self, size: int) -> bool:
        if self.capacity is not None and self.reserved + size > self.capacity:
            return False
        self.reserved += size
        self.peak_reserved = max(self.peak_reserved, self.reserved)
        return True

    def _split(self, block: Block, wanted: int) -> None:
        """Cut what is not wanted off the block's end, where the rest is worth keeping."""
        rest = block.size - wanted
        keep = (
            rest >= SMALLEST
            if block.pool.page == SMALL_SEGMENT or self.rules.expandable
            else not self.rules.oversized(wanted) and rest > SMALL
        )
        if keep:
            block.pool.add(self._cut(block, wanted))

    def _cut(self, block: Block, size: int) -> Block:
        """Shorten the block to `size`; returns the rest, as its neighbour, in no pool yet."""
        rest = Block(block.address + size, block.size - size, block.pool, block, block.mapped)
        rest.next = block.next
        if rest.next is not None:
            rest.next.previous = rest
        block.next, block.size = rest, size
        return rest

    def _merge_neighbours(self, block: Block) -> None:
        """Absorb the neighbours that are as free, and as mapped, as this block, which is in no pool."""
        before, after = block.previous, block.next
        if before is not None and before.free and before.mapped is block.mapped:
            before.pool.remove(before)
            block.address, block.size, block.previous = before.address, block.size + before.size, before.previous
            if block.previous is not None:
                block.previous.next = block
        if after is not None and after.free and after.mapped is block.mapped:
            after.pool.remove(after)
            block.size, block.next = block.size + after.size, after.next
            if block.next is not None:
                block.next.previous = block

    # --- memory released to the device ---

    def _release_cached(self) -> None:
        """Every segment that is wholly free; of expandable ones every free page."""
        for pool in chain.from_iterable(self.pools.values()):
            if self.rules.expandable:
                for _, _, block in list(pool.free):
                    self._unmap(block)
            else:
                self.reserved -= sum(size for size, _, block in pool.free if block.whole)
                pool.free = [item for item in pool.free if not item[2].whole]

    def _release_oversized(self, pool: Pool, wanted: int) -> bool:
        """With `max_split_size`: enough of the blocks that are never split. False where there are none."""
        least = self.rules.max_split
        if least is None or self.rules.expandable:
            return False
        free, key = pool.free, max(wanted, least)
        index = bisect_left(free, (key,))
        first = index if index < len(free) else max(bisect_left(free, (least,)), _enough_from_the_end(free, key))
        last = index + 1 if index < len(free) else len(free)
        chosen = [item for item in free[first:last] if item[2].whole]
        self.reserved -= sum(size for size, _, _ in chosen)
        gone = {address for _, address, _ in chosen}
        pool.free = [item for item in free if item[1] not in gone]
        return sum(size for size, _, _ in chosen) >= key

    # --- expandable segments ---

    def _expanded(self, pool: Pool, wanted: int) -> Block | None:
        """A run of free and unmapped addresses at least `wanted` long, with pages put behind it."""
        block = self._first_room(pool, wanted)
        if not block.mapped and not self._map(block, min(block.size, wanted)):
            return None
        while block.size < wanted:
            behind = block.next
            assert behind is not None  # `_first_room` found it
            if not self._map(behind, min(behind.size, wanted - block.size)):
                return None
            block = behind  # which has absorbed the block before it
        pool.remove(block)
        return block

    def _first_room(self, pool: Pool, wanted: int) -> Block:
        """The first block of the lowest run that is long enough and has an unmapped part."""
        if not pool.unmapped:
            pool.add(Block(self._next_address, ADDRESSES, pool, None, mapped=False))
            self._next_address += ADDRESSES
        for _, unmapped in pool.unmapped:
            before = unmapped.previous
            first = before if before is not None and before.free else unmapped
            room, block = 0, first
            while room < wanted and block is not None and block.free:
                room, block = room + block.size, block.next  # type: ignore[assignment]
            if room >= wanted:
                return first
        raise AssertionError("the end of an expandable segment has room for everything")

    def _map(self, block: Block, size: int) -> bool:
        """Put pages behind the start of an unmapped block; it becomes a free one, merged with its neighbours."""
        pages = -(-size // block.pool.page) * block.pool.page
        if not self._reserve(pages):
            return False
        block.pool.remove(block)
        if pages < block.size:
            block.pool.add(self._cut(block, pages))
        block.mapped = True
        self._merge_neighbours(block)
        block.pool.add(block)
        return True

    def _unmap(self, block: Block) -> None:
        """Take the whole pages in a free block away; what is left of it at either end stays free."""
        page, pool = block.pool.page, block.pool
        base = self._segment_start(block)
        first = base + -(-(block.address - base) // page) * page
        last = base + (block.address + block.size - base) // page * page
        if last <= first:
            return
        pool.remove(block)
        self.reserved -= last - first
        if last < block.address + block.size:
            pool.add(self._cut(block, last - block.address))
        if first > block.address:
            rest = self._cut(block, first - block.address)
            pool.add(block)
            block = rest
        block.mapped = False
        self._merge_neighbours(block)
        pool.add(block)

    def _segment_start(self, block: Block) -> int:
        """Segments are ADDRESSES long, one after another."""
        return block.address // ADDRESSES * ADDRESSES


def _enough_from_the_end(free: list[tuple[int, int, Block]], wanted: int) -> int:
    """Index of the first of the largest blocks that together hold `wanted` bytes; 0 where all do not."""
    index, total = len(free), 0
    while index > 0 and total < wanted:
        index -= 1
        total += free[index][0]
    return index
