"""Peak of a real process that shares weights with another by FSDP2, beside its part of them, in bytes.

`fsdp_peak.py RANK STORE`, one for each of the two; by the memory that the process has, as in `ddp_peak`.
"""

from __future__ import annotations

import sys

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from gonogo.training.sharding import MESH, shard
from tests.memory.ddp_peak import WIDTH, net, peak_bytes

CARDS = 2


def train(model: nn.Module, batch: torch.Tensor, steps: int) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6)
    for _ in range(steps):
        loss = model(batch).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main(rank: int, store: str) -> int:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(store, CARDS), rank=rank, world_size=CARDS)
    mesh = init_device_mesh("cpu", (CARDS, 1), mesh_dim_names=MESH)
    small = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    shard(small, mesh)
    train(small, torch.ones(2, 8), 2)  # what torch imports and keeps, whatever is trained
    model, batch = net(), torch.ones(2, WIDTH)
    shard(model, mesh)
    return peak_bytes(lambda: train(model, batch, 4))


if __name__ == "__main__":
    print(main(int(sys.argv[1]), sys.argv[2]))
