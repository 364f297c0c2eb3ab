"""The rungs that a device is tried on, from the least to the most: `python device_probe.py DEVICE BYTES`.

Each rung says `rung NAME` before it is tried, so that of a child that was aborted or hangs the last name tells where.
The end is a line of JSON: `device`, `device_bytes`, `device_count`, `torch_version`, `torch_build`.

Args of the command line: DEVICE is `cuda` (which is what ROCm calls its devices, too), `cpu`, or `any`: a GPU where
torch sees one, else the processor. BYTES are allocated on it on the last rung.

It runs in the interpreter that has torch, as a file or as `python -c`: it imports nothing of the agent.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from typing import Any

RUNGS = ("import", "device", "copy", "matmul", "convolution", "attention", "optimizer", "memory")
NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, ROCm, either of them below WSL
MATMUL_SIDE, MATMUL_ERROR = 256, 0.1  # of products of 256 standard normal pairs; TF32 errs by 0.02
SEED = 0


class UnfitError(Exception):
    """What the device does wrong, in words."""


def climb(device: str, size_bytes: int) -> dict[str, Any]:
    """Try every rung; what the device is.

    Raises:
        UnfitError: a rung gives a wrong result. Anything else that torch raises is as much of an answer.
    """
    gc.disable()  # a quarter of torch's start: nothing that it makes is garbage
    _rung("import")
    torch = importlib.import_module("torch")
    _rung("device")
    torch.manual_seed(SEED)
    where = _present(torch) if device == "any" else device
    facts = _facts(torch, where)
    for name, try_rung in (
        ("copy", _copy), ("matmul", _matmul), ("convolution", _convolution), ("attention", _attention),
        ("optimizer", _optimizer),
    ):  # fmt: skip
        _rung(name)
        try_rung(torch, where)
    _rung("memory")
    _memory(torch, where, size_bytes)
    return facts


def _rung(name: str) -> None:
    print("rung", name, flush=True)


def _present(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _facts(torch: Any, where: str) -> dict[str, Any]:
    hip, cuda = torch.version.hip, torch.version.cuda
    build = f"hip {hip}" if hip else f"cuda {cuda}" if cuda else "cpu"
    facts = {
        "device": "CPU", "device_bytes": 0, "device_count": _cores(), "torch_version": torch.__version__,
        "torch_build": build,
    }  # fmt: skip
    if where != "cuda":
        return {**facts, "device": "Apple MPS", "device_count": 1} if where == "mps" else facts
    if not torch.cuda.is_available():
        nodes = [node for node in NODES if os.path.exists(node)]
        there = (
            f"though {nodes[0]} exists" if nodes else "and no device node exists: no driver, or not in this container"
        )
        raise UnfitError(f"torch {torch.__version__} sees no device, {there}")
    properties = torch.cuda.get_device_properties(0)
    arch = getattr(properties, "gcnArchName", "").partition(":")[0]
    built_for = torch.cuda.get_arch_list()
    if arch and arch not in built_for:
        raise UnfitError(f"torch {torch.__version__} holds no code for {arch}, only for {' '.join(built_for)}")
    found = {"device": properties.name, "device_bytes": properties.total_memory}
    return {**facts, **found, "device_count": torch.cuda.device_count()}


def _cores() -> int:
    """That this process may use: a processor counts as so many devices."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _copy(torch: Any, where: str) -> None:
    values = torch.randn(1024, 1024)
    if not torch.equal(values.to(where).cpu(), values):
        raise UnfitError("values copied to the device and back differ")


def _matmul(torch: Any, where: str) -> None:
    one, other = torch.randn(2, MATMUL_SIDE, MATMUL_SIDE)
    error = ((one.to(where) @ other.to(where)).cpu() - one @ other).abs().max().item()
    if not error < MATMUL_ERROR:
        raise UnfitError(f"a product of matrices differs from the processor's by {error:.3g}")


def _convolution(torch: Any, where: str) -> None:
    picture, kernel = torch.randn(2, 4, 16, 16), torch.randn(8, 4, 3, 3)
    gradients = []
    for place in ("cpu", where):
        mine = picture.clone().to(place).requires_grad_()
        torch.nn.functional.conv2d(mine, kernel.to(place), padding=1).square().mean().backward()
        gradients.append(mine.grad.cpu())
    if not torch.allclose(*gradients, rtol=0.05, atol=0.05):
        raise UnfitError("the gradient of a convolution differs from the processor's")


def _attention(torch: Any, where: str) -> None:
    query = torch.randn(1, 2, 16, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    there = query.to(where)
    if not torch.allclose(attend(there, there, there).cpu(), attend(query, query, query), rtol=0.05, atol=0.05):
        raise UnfitError("the result of attention differs from the processor's")


def _optimizer(torch: Any, where: str) -> None:
    """Three steps of AdamW, by its function: making the class's object would import torch's compiler, for a second."""
    adamw = importlib.import_module("torch.optim.adamw").adamw
    layer, batch = torch.nn.Linear(8, 8).to(where), torch.ones(4, 8).to(where)
    weights = list(layer.parameters())
    means, squares = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
    steps = [torch.tensor(0.0) for _ in weights]
    for _ in range(3):
        gradients = torch.autograd.grad(layer(batch).square().mean(), weights)
        with torch.no_grad():
            adamw(
                weights, list(gradients), means, squares, [], steps, amsgrad=False, beta1=0.9, beta2=0.999, lr=1e-3,
                weight_decay=0.01, eps=1e-8, maximize=False,
            )  # fmt: skip
    if not all(bool(torch.isfinite(weight).all()) for weight in weights):
        raise UnfitError("weights are NaN or infinite after three steps of AdamW")


def _memory(torch: Any, where: str, size_bytes: int) -> None:
    """Fill that much in parts of 256 MB, and read each back."""
    parts = [torch.full((min(1 << 28, size_bytes - at),), at >> 28 & 127, dtype=torch.int8).to(where)
             for at in range(0, size_bytes, 1 << 28)]  # fmt: skip
    if any(int(part[-1]) != index & 127 for index, part in enumerate(parts)):
        raise UnfitError("memory does not keep what is written into it")


if __name__ == "__main__":
    try:
        print(json.dumps(climb(sys.argv[1], int(sys.argv[2]))), flush=True)
    except UnfitError as unfit:
        sys.exit(str(unfit))
