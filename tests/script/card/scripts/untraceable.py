"""A model whose shapes depend on its weights' values, in a script that catches everything."""

import torch
from torch import nn

if __name__ == "__main__":
    model = nn.Linear(4, 4).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(5):
        try:
            out = model(torch.randn(8, 4, device="cuda"))
            times = (out.detach().abs().sum(1) * 3).long()
            torch.repeat_interleave(out, times, dim=0).mean().backward()
            optimizer.step()
        except Exception as problem:
            print("went on after", type(problem).__name__)
