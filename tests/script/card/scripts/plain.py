"""A plain loop: tied weights, an optimizer made before the move, GradScaler, validation, checkpoint, resume."""

import argparse
import os

import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(256, 64)
        self.body = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
        self.head = nn.Linear(64, 256, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.embed(tokens)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", default="checkpoint.pt")
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--samples", type=int, default=64)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = torch.utils.data.TensorDataset(torch.randint(256, (arguments.samples, 32)))
    loader = torch.utils.data.DataLoader(data, arguments.batch, pin_memory=True)
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model.to(device)
    scaler = torch.amp.GradScaler("cuda", enabled=arguments.amp)
    best = float("inf")
    for epoch in range(arguments.epochs):
        if arguments.resume and os.path.exists(arguments.out):
            state = torch.load(arguments.out, map_location=device)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
        model.train()
        for (tokens,) in loader:
            tokens = tokens.to(device, non_blocking=True)
            with torch.autocast("cuda", torch.float16, enabled=arguments.amp):
                logits = model(tokens)
                loss = F.cross_entropy(logits.flatten(0, 1), tokens.flatten())
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        model.eval()
        total = 0.0
        with torch.no_grad():
            for (tokens,) in loader:
                tokens = tokens.to(device)
                total += F.cross_entropy(model(tokens).flatten(0, 1), tokens.flatten()).item()
        print(f"epoch {epoch}: loss {loss:.3f}, validation {total / len(loader):.3f}")
        if total < best or epoch == 0:
            best = total
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, arguments.out)


if __name__ == "__main__":
    main()
