"""Two networks, two optimizers, a gradient penalty; no validation, no checkpoint."""

import sys

import torch
from torch import nn

if __name__ == "__main__":
    generator = nn.Sequential(nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 64)).cuda()
    critic = nn.Sequential(nn.Linear(64, 128), nn.LeakyReLU(), nn.Linear(128, 1)).cuda()
    of_generator = torch.optim.Adam(generator.parameters())
    of_critic = torch.optim.Adam(critic.parameters())
    floats = torch.cuda.FloatTensor
    batch = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    for _ in range(20):
        real = torch.randn(batch, 64).type(floats)
        noise = torch.randn(batch, 16, device="cuda")
        of_critic.zero_grad()
        fake = generator(noise).detach()
        share = floats(batch, 1).uniform_()
        between = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        loss = critic(fake).mean() - critic(real).mean() + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()
        loss.backward()
        of_critic.step()
        of_generator.zero_grad()
        loss = -critic(generator(noise)).mean()
        loss.backward()
        of_generator.step()
        print(f"{loss.item():.2f}", torch.cuda.get_device_properties(0).total_memory > 1e9)
