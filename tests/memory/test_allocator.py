"""The replay keeps the caching allocator's published rules: by hand for small cases, by property for any."""

from __future__ import annotations

import dataclasses
import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gonogo.base.errors import UserError
from gonogo.memory.allocator import AllocatorSettings, replay
from gonogo.memory.block_sizes import Rules
from gonogo.memory.events import Events
from gonogo.memory.heap import Heap, OutOfDeviceMemory
from tests.memory.synthetic import churn, events, sequence

KIB, MIB = 1 << 10, 1 << 20
EXPANDABLE = AllocatorSettings(expandable_segments=True)
EVERY_KIND = [
    AllocatorSettings(),
    EXPANDABLE,
    AllocatorSettings(max_split_size_bytes=32 * MIB),
    AllocatorSettings(roundup_power2_divisions=4),
]


def mib(sizes: list[float], capacity: float | None = None, chosen: AllocatorSettings | None = None) -> float:
    """Peak of what is reserved for `sequence`; MiB in and out."""
    found = replay(
        sequence([int(size * MIB) if size > 0 else int(size) for size in sizes]),
        None if capacity is None else int(capacity * MIB),
        chosen,
    )
    return found.peak_reserved_bytes / MIB


# --- by hand ---------------------------------------------------------------------------------------------


def test_sizes_are_rounded_to_512_bytes() -> None:
    assert [Rules().rounded(size) for size in (1, 512, 513)] == [512, 512, 1024]
    # 4096 blocks of 512 B fill a segment of 2 MiB, whatever was asked for
    assert replay(sequence([1] * 4096)).peak_reserved_bytes == 2 * MIB
    assert replay(sequence([1] * 4096 + [1])).peak_reserved_bytes == 4 * MIB
    assert replay(sequence([1, 512, 513])).peak_requested_bytes == 1026


@pytest.mark.parametrize(
    ("size", "reserved"),
    [
        (1, 2 * MIB), (MIB, 2 * MIB),  # small: a segment of 2 MiB
        (MIB + 1, 20 * MIB), (10 * MIB - 512, 20 * MIB),  # below 10 MiB: one of 20 MiB
        (10 * MIB, 10 * MIB), (10 * MIB + 1, 12 * MIB), (999 * MIB, 1000 * MIB),  # its own, rounded to 2 MiB
    ],
)  # fmt: skip
def test_a_segment_of_its_kind_is_asked_of_the_device(size: int, reserved: int) -> None:
    assert replay(sequence([size])).peak_reserved_bytes == reserved


def test_small_blocks_share_a_segment_and_large_ones_another() -> None:
    assert mib([1, 1]) == 2
    assert mib([1, 1, 0.5]) == 4
    assert mib([6, 6, 6]) == 20
    assert mib([6, 6, 6, 6]) == 40
    assert mib([0.5, 6]) == 22


def test_a_large_rest_of_one_mib_or_less_is_not_split_off() -> None:
    # 11.5 MiB takes a segment of 12: half a MiB stays part of the block, so nothing small may use it
    assert mib([11.5, 0.5]) == 12 + 2 and mib([19.2, 0.5]) == 20 + 2
    # of a free segment of 20 MiB, 19.2 leave 0.8, which is kept with them; 18.8 leave 1.2, which serve 1.1 more
    assert mib([20, -1, 19.2, 1.1]) == 40
    assert mib([20, -1, 18.8, 1.1]) == 20


def test_the_smallest_block_that_fits_is_taken() -> None:
    # free: 30 and 14 MiB; 14 goes to the second, so that 30 still fits into the first (first fit would need more)
    assert mib([30, 14, -1, -2, 14, 30]) == 44


def test_free_neighbours_are_merged() -> None:
    # a 20 MiB segment in three blocks; freed in a mixed order, it serves 19.5 MiB
    assert mib([6, 6, 6, -2, -1, -3, 19.5]) == 20
    # with the middle one still in use they do not touch
    assert mib([6, 6, 6, -1, -3, 12]) == 32


def test_cached_segments_are_released_before_an_allocation_fails() -> None:
    # 20 MiB free and cached, 30 more wanted on a device of 40: the cached segment goes back first
    found = replay(sequence([20 * MIB, -1, 30 * MIB]), 40 * MIB)
    assert found.oom_at is None and found.retries == 1 and found.peak_reserved_bytes == 30 * MIB
    assert replay(sequence([20 * MIB, -1, 30 * MIB])).peak_reserved_bytes == 50 * MIB


def test_what_one_stream_has_released_serves_no_other() -> None:
    again = events([(0, 10 * MIB), (0, -10 * MIB), (1, 10 * MIB)])
    assert replay(again).peak_reserved_bytes == 10 * MIB
    others = dataclasses.replace(again, streams=np.array([(1, 2)]))
    assert replay(others).peak_reserved_bytes == 20 * MIB
    assert replay(others, 10 * MIB).oom_at is None, "short of memory, the device takes the first one's back"


def test_a_split_segment_is_not_released() -> None:
    # the 20 MiB segment keeps one small piece in use, so its free 18 MiB cannot go back
    found = replay(sequence([2 * MIB, 18 * MIB, -2, 30 * MIB]), 40 * MIB)
    assert found.retries == 1 and found.oom_at is not None
    assert found.oom_at.event == 3 and found.oom_at.requested_bytes == 30 * MIB
    assert str(found.oom_at) == "31.5 MB for aten.conv2d in UNet, forward"


def test_pages_of_expandable_segments() -> None:
    # pages of 20 MiB: 30 takes 2, 14 more takes 1 (10 are left of the second page), together 44 of 60
    assert mib([30, 14], None, EXPANDABLE) == 60
    # without: a segment each
    assert mib([30, 14]) == 44
    # where more is wanted than was freed, the segment grows from its free end
    assert mib([30, -1, 50, -2, 70], None, EXPANDABLE) == 80
    assert mib([30, -1, 50, -2, 70]) == 150
    # small pool: pages of 2 MiB
    assert mib([1, 1, 1], None, EXPANDABLE) == 4


def test_the_end_of_an_expandable_segment_is_kept_for_growing() -> None:
    # free are 30 MiB at the start and 5 at the end: 4 are taken from the start, though the end fits better, and the
    # 30 wanted then need 25 more than the end has, on two new pages
    assert mib([30, 10, 15, -1, 4, 30], None, EXPANDABLE) == 100


def test_expandable_segments_release_single_free_pages() -> None:
    # 40 of 60 MiB are free when 50 more are wanted on a device of 80: two free pages go back, and three follow the
    # piece in use, whose page has 5 MiB to spare
    changes = sequence([40 * MIB, 15 * MIB, -1, 50 * MIB])
    found = replay(changes, 80 * MIB, EXPANDABLE)
    assert found.oom_at is None and found.retries == 1 and found.peak_reserved_bytes == 80 * MIB
    # what is in use keeps its page of 20: 60 MiB of pages and those 5 are all that can be had
    assert replay(sequence([40 * MIB, 15 * MIB, -1, 66 * MIB]), 80 * MIB, EXPANDABLE).oom_at is not None


def test_blocks_above_the_split_limit_are_left_whole() -> None:
    limited = AllocatorSettings(max_split_size_bytes=32 * MIB)
    # a free block of 64 MiB is not cut for 16 MiB, nor given to 40 (more than 20 MiB would be wasted)
    assert mib([64, -1, 16], None, limited) == 80
    assert mib([64, -1, 40], None, limited) == 104
    assert mib([64, -1, 50], None, limited) == 64
    # and is released before anything else when memory runs out
    found = replay(sequence([64 * MIB, -1, 16 * MIB]), 70 * MIB, limited)
    assert found.oom_at is None and found.retries == 0 and found.peak_reserved_bytes == 64 * MIB


def test_rounding_to_fractions_of_powers_of_two() -> None:
    # 1200 B with four steps between 1024 and 2048: too small for it; 5 MiB + 1: next of 5, 6, 7, 8
    rules = AllocatorSettings(roundup_power2_divisions=4).rules
    assert rules.rounded(1200) == 1536 and rules.rounded(5 * MIB + 1) == 6 * MIB
    # three times 6 MiB and a byte share a segment of 20 MiB; three times 7 do not
    assert mib([6.01, 6.01, 6.01]) == 20
    assert mib([6.01, 6.01, 6.01], None, AllocatorSettings(roundup_power2_divisions=4)) == 40


# --- for any sequence ------------------------------------------------------------------------------------

BOUNDARIES = st.sampled_from([MIB, 10 * MIB, 20 * MIB])
SIZES = st.one_of(st.integers(1, 4 * KIB), st.integers(1, 2 * MIB), st.integers(MIB, 40 * MIB), BOUNDARIES)


@st.composite
def steps(draw: st.DrawFn) -> Events:
    """Any allocations and releases, in any order that a program could make."""
    live: dict[int, int] = {}
    changes: list[tuple[int, int]] = []
    for block, size in enumerate(draw(st.lists(SIZES, min_size=1, max_size=40))):
        live[block] = size
        changes.append((block, size))
        while live and draw(st.booleans()):
            gone = draw(st.sampled_from(sorted(live)))
            changes.append((gone, -live.pop(gone)))
    return events(changes)


CASES = settings(max_examples=150, deadline=None)
KINDS = st.sampled_from(EVERY_KIND)


@CASES
@given(steps(), KINDS, st.one_of(st.none(), st.integers(1 * MIB, 400 * MIB)))
def test_what_holds_for_every_replay(step: Events, chosen: AllocatorSettings, capacity: int | None) -> None:
    found = replay(step, capacity, chosen)
    served = len(step) if found.oom_at is None else found.oom_at.event
    assert found.peak_requested_bytes == step.live_bytes()[:served].max(initial=0) <= found.peak_reserved_bytes
    assert capacity is None or found.peak_reserved_bytes <= capacity
    assert capacity is not None or found.oom_at is None
    assert replay(step, capacity, chosen) == found


@CASES
@given(steps(), KINDS, st.floats(0.3, 1.2))
def test_a_smaller_device_never_reserves_more(step: Events, chosen: AllocatorSettings, share: float) -> None:
    free = replay(step, None, chosen)
    held = replay(step, int(share * free.peak_reserved_bytes), chosen)
    assert free.peak_reserved_bytes >= held.peak_reserved_bytes
    assert held.oom_at is not None or held.peak_requested_bytes == free.peak_requested_bytes
    assert held.retries == 0 or share < 1  # with room for the peak nothing has to be released
    assert replay(step, free.peak_reserved_bytes, chosen).oom_at is None


@CASES
@given(steps(), KINDS, st.integers(20 * MIB, 400 * MIB))
def test_blocks_tile_their_segments(step: Events, chosen: AllocatorSettings, capacity: int) -> None:
    """No two blocks overlap, every byte is in one block, and no two free neighbours are left unmerged."""
    heap = Heap(chosen.rules, capacity)
    live = {}
    for block, size in zip(step.block.tolist(), step.size.tolist(), strict=True):
        try:
            if size > 0:
                live[block] = heap.allocate(size)
            else:
                heap.release(live.pop(block))
        except OutOfDeviceMemory:
            break
        seen = {item[-1].address: item[-1] for pool in heap.pools[0] for item in [*pool.free, *pool.unmapped]}
        every = sorted([*live.values(), *seen.values()], key=lambda b: b.address)
        for left, right in itertools.pairwise(every):
            assert left.address + left.size <= right.address
            if left.next is not None:
                assert left.next is right and right.previous is left and left.address + left.size == right.address
                assert not (left.free and right.free and left.mapped is right.mapped)
        assert sum(block.size for block in every if block.mapped) == heap.reserved


# --- speed, and events that no program makes -------------------------------------------------------------


@pytest.mark.parametrize("chosen", EVERY_KIND)
def test_ten_times_the_events_take_about_ten_times_as_long(chosen: AllocatorSettings) -> None:
    few, many = (min(_replay_s(churn(count, count // 10), chosen) for _ in range(3)) for count in (5_000, 50_000))
    assert many < 40 * few  # measured: 10 to 15 times; 0.1 s for 50,000


def _replay_s(step: Events, chosen: AllocatorSettings) -> float:
    started = time.process_time()
    replay(step, None, chosen)
    return time.process_time() - started


def test_impossible_events_are_refused() -> None:
    with pytest.raises(ValueError, match="event 1 allocates block 0"):
        replay(events([(0, 1), (0, 1)]))
    with pytest.raises(ValueError, match="event 0 releases block 7"):
        replay(events([(7, -1)]))
    with pytest.raises(ValueError, match="negative"):
        replay(events([(0, 1)]), -1)
    assert replay(events([])).peak_reserved_bytes == 0


def test_settings_are_read_as_the_framework_reads_them() -> None:
    read = AllocatorSettings.from_environment
    assert read({"PYTORCH_HIP_ALLOC_CONF": "expandable_segments:True"}) == EXPANDABLE
    assert read(
        {"PYTORCH_HIP_ALLOC_CONF": "expandable_segments:True", "PYTORCH_CUDA_ALLOC_CONF": "backend:native"}
    ) == read({})
    assert read({"PYTORCH_ALLOC_CONF": "max_split_size_mb:128, roundup_power2_divisions:4"}) == AllocatorSettings(
        max_split_size_bytes=128 * MIB, roundup_power2_divisions=4
    )
    with pytest.raises(UserError, match="PYTORCH_CUDA_ALLOC_CONF"):
        read({"PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:lots"})
