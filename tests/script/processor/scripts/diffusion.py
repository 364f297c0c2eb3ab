import copy

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
rows = torch.arange(64)
pictures = torch.sin(rows[:, None, None, None] / 5 + torch.linspace(0, 6, 8)[None, None, :, None]).expand(64, 1, 8, 8)
loader = DataLoader(TensorDataset(pictures.clone()), batch_size=16, shuffle=True, pin_memory=True)
alpha = torch.linspace(0.99, 0.05, 50)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(50, 16)
        self.first = nn.Conv2d(1, 16, 3, padding=1)
        self.norm = nn.GroupNorm(4, 16)
        self.last = nn.Conv2d(16, 1, 3, padding=1)
        nn.init.zeros_(self.last.weight)

    def forward(self, x, t):
        h = self.first(x) + self.time(t)[:, :, None, None]
        return self.last(F.silu(self.norm(h)))


accelerator = Accelerator(mixed_precision="fp16")
model = Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
average = copy.deepcopy(accelerator.unwrap_model(model)).eval()
alpha = alpha.to(accelerator.device)


def cycle(batches):
    while True:
        yield from batches


source = cycle(loader)
for step in range(3000):
    (clean,) = next(source)
    t = torch.randint(50, (len(clean),), device=clean.device)
    noise = torch.randn_like(clean)
    a = alpha[t][:, None, None, None]
    noisy = a.sqrt() * clean + (1 - a).sqrt() * noise
    with accelerator.autocast():
        loss = F.mse_loss(model(noisy, t), noise)
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    print("loss", loss.item())
    with torch.no_grad():
        for mine, theirs in zip(average.parameters(), model.parameters(), strict=True):
            mine.lerp_(theirs, 0.05)
    if step and step % 50 == 0:
        average.eval()
        with torch.inference_mode():
            average(noise, t)
        accelerator.save({"model": accelerator.get_state_dict(model), "step": step}, "model.pt")
