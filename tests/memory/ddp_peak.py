"""Peak of a real process under DistributedDataParallel, beyond its weights, in bytes: `ddp_peak.py DEVICES PASSES`.

By the memory that the process has: an allocation of a megabyte is given back at once (MALLOC_MMAP_THRESHOLD_).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

WIDTH, LAYERS = 1024, 16


def net() -> nn.Module:
    return nn.Sequential(*[nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(LAYERS)])


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def train(model: nn.Module, batch: torch.Tensor, devices: int, passes: int) -> None:
    wrapped = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True) if devices > 1 else model
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    for _ in range(4):
        for index in range(passes):
            last = index == passes - 1
            with nullcontext() if last or devices == 1 else wrapped.no_sync():
                loss = wrapped(batch).square().mean()
                if index == 0:
                    optimizer.zero_grad()
                loss.backward()
        optimizer.step()


def peak_bytes(work: Callable[[], None]) -> int:
    """The most memory that the process had while it worked, beyond what it had before."""
    peak, before, over = 0, resident_bytes(), False

    def watch() -> None:
        nonlocal peak
        while not over:
            peak = max(peak, resident_bytes() - before)
            time.sleep(0.0002)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    work()
    over = True
    watcher.join(timeout=60)
    return peak


def main(devices: int, passes: int) -> int:
    torch.set_num_threads(1)
    if devices > 1:  # buckets are as large, however many cards there are
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    train(nn.Linear(8, 8), torch.ones(2, 8), devices, passes)  # what torch imports and keeps, whatever is trained
    model, batch = net(), torch.ones(2, WIDTH)
    model(batch)
    return peak_bytes(lambda: train(model, batch, devices, passes))


if __name__ == "__main__":
    print(main(int(sys.argv[1]), int(sys.argv[2])))
