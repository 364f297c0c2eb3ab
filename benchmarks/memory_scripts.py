"""The measured loops as a plain training script, which knows nothing of the trace: `memory.py --scripts` checks it.

    python benchmarks/memory_scripts.py ROW.json

The model is built for real on the processor and moved to the GPU; the loop is the published one.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

STEPS = 4


def main() -> None:
    import torch

    from benchmarks.memory_models import build_step

    step = build_step(json.loads(Path(sys.argv[1]).read_text()))
    model = step.model.to({"bf16-true": torch.bfloat16, "16-true": torch.float16}.get(step.precision))
    model.cuda().train()
    optimizer = step.optimizer()
    dtype = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(step.precision)
    names = {}
    for _ in range(STEPS):
        if step.zero_grad == "start":
            optimizer.zero_grad()
        names["batch"] = on_card(step.batch)
        with contextlib.nullcontext() if dtype is None else torch.autocast("cuda", dtype):
            loss = step.run(names["batch"])
        if step.zero_grad == "before_backward":
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step.zero_grad == "end":
            optimizer.zero_grad()


def on_card(batch):
    """The batch with its tensors on the GPU."""
    if isinstance(batch, dict):
        return {name: tensor.cuda() for name, tensor in batch.items()}
    return tuple(tensor.cuda() for tensor in batch)


if __name__ == "__main__":
    main()
