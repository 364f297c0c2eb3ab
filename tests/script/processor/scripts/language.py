import math

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
VOCAB, WIDTH, BLOCK = 24, 32, 16
chain = torch.softmax(3 * torch.randn(VOCAB, VOCAB), 1)
tokens = [0]
for _ in range(4000):
    tokens.append(int(torch.multinomial(chain[tokens[-1]], 1)))
data = torch.tensor(tokens)
train_data, val_data = data[:3500], data[3500:]


def get_batch(split):
    source = train_data if split == "train" else val_data
    starts = torch.randint(len(source) - BLOCK - 1, (12,))
    x = torch.stack([source[i : i + BLOCK] for i in starts])
    y = torch.stack([source[i + 1 : i + BLOCK + 1] for i in starts])
    return x.pin_memory().to(device, non_blocking=True), y.pin_memory().to(device, non_blocking=True)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 64), nn.GELU(), nn.Linear(64, WIDTH), nn.Dropout(0.05))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, 2, c // 2).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(c, 2))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCAB, WIDTH)
        self.places = nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCAB, bias=False)

    def forward(self, idx, targets=None):
        x = self.tokens(idx) + self.places(torch.arange(idx.shape[1], device=idx.device))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, VOCAB), targets.view(-1), ignore_index=-1)
        return logits, loss


@torch.no_grad()
def estimate_loss():
    model.eval()
    found = {split: sum(model(*get_batch(split))[1].item() for _ in range(3)) / 3 for split in ("train", "val")}
    model.train()
    return found


model = torch.compile(GPT().to(device))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.95), fused=True)
ACCUMULATION = 2
for it in range(2000):
    for group in optimizer.param_groups:
        group["lr"] = 1e-2 * min(1, (it + 1) / 10) * (0.55 + 0.45 * math.cos(math.pi * it / 2000))
    if it % 25 == 0:
        print("val", estimate_loss())
        if it > 0:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "iter": it}, "ckpt.pt")
    for micro in range(ACCUMULATION):
        X, Y = get_batch("train")
        logits, loss = model(X, Y)
        loss = loss / ACCUMULATION
        loss.backward()
        print("loss", loss.item())
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
