"""An LSTM trained without an optimizer: the weights are moved by hand."""

import torch
from torch import nn

if __name__ == "__main__":
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cuda")
    embed, cell, head = nn.Embedding(100, 32).to(device), nn.LSTM(32, 64, 2).to(device), nn.Linear(64, 100).to(device)
    parameters = [p for module in (embed, cell, head) for p in module.parameters()]
    for _ in range(30):
        tokens = torch.randint(100, (12, 8)).to(device)
        out, _ = cell(embed(tokens))
        loss = nn.functional.cross_entropy(head(out).flatten(0, 1), tokens.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 0.25)
        for p in parameters:
            p.data.add_(p.grad, alpha=-0.1)
            p.grad = None
