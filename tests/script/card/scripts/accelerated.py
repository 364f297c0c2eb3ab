"""Accelerate: mixed precision, clipping, the state of everything saved and loaded again."""

import sys

import torch
from accelerate import Accelerator
from torch import nn

if __name__ == "__main__":
    accelerator = Accelerator(mixed_precision="fp16")
    model = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    data = torch.utils.data.TensorDataset(torch.randn(256, 64), torch.randint(4, (256,)))
    loader = torch.utils.data.DataLoader(data, batch_size=32)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    for epoch in range(2):
        model.train()
        for inputs, labels in loader:
            with accelerator.accumulate(model):
                loss = nn.functional.cross_entropy(model(inputs), labels)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
        model.eval()
        with torch.inference_mode():
            for inputs, labels in loader:
                guesses = accelerator.gather_for_metrics((model(inputs).argmax(-1), labels))
        accelerator.print(f"epoch {epoch}: {loss.item():.3f}, {(guesses[0] == guesses[1]).float().mean().item():.2f}")
        accelerator.save_state(sys.argv[1])
        accelerator.load_state(sys.argv[1])
