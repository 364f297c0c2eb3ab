"""What scripts do with a card, one habit after the other; each must pass as it would on a real one."""

import copy
import threading

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Scale(nn.Parameter):
    pass


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.tied = nn.Conv2d(8, 8, 3, padding=1)
        self.tied.weight = self.second.weight
        self.scale = Scale(torch.ones(1))
        self.scale.label = "kept"
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x):
        x = torch.relu(self.first(x))
        x = checkpoint(self.second, x, use_reentrant=False)
        return (self.tied(x) * self.scale - self.mean[:, None, None]).mean((2, 3))


if __name__ == "__main__":
    device = torch.device("cuda", 0)
    print(torch.cuda.get_device_name(), torch.cuda.get_device_capability(), torch.cuda.mem_get_info()[1] > 0)
    torch.cuda.manual_seed_all(1)
    torch.manual_seed(torch.cuda.default_generators[0].initial_seed() % 2**31)
    assert torch.cuda.is_current_stream_capturing() is False
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    before = list(model.parameters())
    model.cuda()
    assert all(one is other for one, other in zip(before, model.parameters(), strict=True))
    assert model.tied.weight is model.second.weight and model.scale.label == "kept"
    assert isinstance(model.scale, nn.Parameter) and next(model.parameters()).is_cuda
    model = model.to(memory_format=torch.channels_last)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    parallel = torch.compile(nn.DataParallel(model))
    scaler = torch.amp.GradScaler("cuda")
    stream, start = torch.cuda.Stream(), torch.cuda.Event(enable_timing=True)
    for step in range(3):
        start.record()
        inputs = torch.randn(4, 3, 16, 16).pin_memory().to(device, memory_format=torch.channels_last, non_blocking=True)
        labels = torch.randint(8, (4,), device="cuda", generator=torch.Generator(device="cuda"))
        with torch.cuda.stream(stream), torch.autocast("cuda", dtype=torch.float16):
            logits = parallel(inputs)
            loss = nn.functional.cross_entropy(logits, labels)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        for left in (model.first.weight.grad.data.cpu(), model.second.weight.data.to("cpu", torch.float16)):
            assert left.min() >= 0.5 and left.max() <= 1 and np.histogram(left, bins=64)[0].sum() == left.numel()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for mine, its in zip(average.parameters(), model.parameters(), strict=True):
                mine.lerp_(its, 0.1)
            guesses = logits.argmax(1)
            right = (guesses == labels).sum().item()
            kept = np.concatenate([logits.float().cpu().numpy(), np.ones((1, 8))])
        torch.cuda.synchronize()
        print(f"{step} {loss:.3f} {loss.item():.2f} {norm:.1f}", right, guesses.tolist()[:1], kept.shape, logits[0, 0])
        if torch.isnan(loss) or not torch.isfinite(loss).all():
            raise SystemExit("not a number")
    with torch.inference_mode():
        asked = nn.functional.one_hot(labels, 8)
        assert labels.min() >= 0 and labels.max() < 8
        assert not (labels < 0).any() and asked.shape == (4, 8)
    chosen = logits[logits > 0]
    assert chosen.dim() == 1
    places = torch.nonzero(labels == 3)
    model.first.weight.data = model.first.weight.data.clone()
    model.first.bias.data.fill_(0)
    made = []
    worker = threading.Thread(target=lambda: made.append(torch.ones(3).cuda() * 2))
    worker.start()
    worker.join()
    assert made and made[0].is_cuda
    with torch.device("meta"):
        empty = Net()
    assert empty.to_empty(device="cuda").first.weight.is_cuda
    torch.set_default_device("cuda")
    assert nn.Linear(2, 2).weight.is_cuda and torch.zeros(2).is_cuda
    torch.set_default_device("cpu")
    assert (torch.ones(3).cuda() * 2).cpu().tolist() == [2, 2, 2]
    floats = torch.cuda.FloatTensor(2, 3).fill_(1.0)
    assert floats.type() == "torch.cuda.FloatTensor" and torch.ones(2).type(torch.cuda.HalfTensor).dtype == torch.half
    back = model.cpu()
    assert not next(back.parameters()).is_cuda and back(torch.randn(1, 3, 8, 8)).shape == (1, 8)
    print("all habits")
