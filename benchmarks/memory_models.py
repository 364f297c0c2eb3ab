"""The training steps behind published memory measurements, built from a row of the table: nothing is downloaded.

    python benchmarks/memory_models.py FOLDER            # a row as JSON on stdin, traced into FOLDER
    python benchmarks/memory_models.py --peers FOLDER    # what other tools say of it

The loop is the published one: batch to the card, forward, loss, backward, optimizer; gradients are released where the
row says; the names of outputs, loss and batch outlive the step.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

ZERO_GRAD = {"0": "start", "1": "before_backward", "2": "end"}
# a row's "Adafactor" is the library's of the measured loop, which torch's own has displaced since
ADAFACTOR = "transformers.optimization:Adafactor(relative_step=False)"
MIXED = {"bfloat16": "bf16-mixed", "float16": "16-mixed"}
CONVERTED = {"bfloat16": "bf16-true", "float16": "16-true"}
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}
OFF = ("", "no", "none", "false", "off", "0")


def precision_of(row: dict[str, str]) -> str:
    """The row's precision, as Lightning names it: `dtype` is what the weights are in, `amp` whether autocast is on.

    `amp` may name autocast's dtype; where it is only said to be on, it is float16, torch's default on a GPU.
    """
    dtype = _dtype(row.get("dtype", "")) or "float32"
    amp = row.get("amp", "").strip().lower()
    if amp in OFF:
        return CONVERTED.get(dtype, "32-true")
    return MIXED.get(_dtype(amp)) or MIXED.get(dtype, "16-mixed")


def _dtype(text: str) -> str:
    text = text.strip().lower().removeprefix("torch.")
    for short, name in DTYPES.items():
        if short in text or name in text:
            return name
    return ""


def _plain(model: str) -> str:
    """A hub's name without its owner and what does not change its sizes."""
    return re.sub(r"-(instruct|it|hf|chat|deduped)$", "", model.rsplit("/", maxsplit=1)[-1].lower())


def config_of(model: str, kind: Any) -> dict[str, Any]:
    """The configuration of a hub's model, whatever the case of its name and its owner's.

    Of a model that is not in the table, its class's default, if the class is one model's (`BertForMaskedLM`).
    """
    from benchmarks.hub_models import CONFIGS

    found = {_plain(name): config for name, config in CONFIGS.items()}.get(_plain(model))
    config_class = getattr(kind, "config_class", None)
    if found is None and config_class is not None:
        return {"model_type": config_class.model_type}
    if found is None:
        raise SystemExit(f"{model}: no configuration of it in benchmarks/hub_models.py: add it there")
    return found


def call_of(text: str) -> tuple[str, dict[str, Any]]:
    """Name and keyword arguments of a constructor as it is written: `torchvision.models.mnasnet1_0(alpha=1.0)`.

    The name is the last of a dotted one, or the first argument of `create_model`.
    """
    path, _, rest = text.strip().partition("(")
    try:
        call = ast.parse(f"made({rest}" if rest else "made()", mode="eval").body
    except SyntaxError:  # a comment in the brackets: its words may say the size, as in `MobileNetV3(large cfg)`
        return path.split(".")[-1].split(":")[-1], {"said": rest.split()[0]}
    assert isinstance(call, ast.Call)
    arguments = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg and _is_value(word.value)}
    name = path.split(".")[-1].split(":")[-1]
    if name == "create_model" and call.args:
        name = ast.literal_eval(call.args[0])
    return name, {key: value for key, value in arguments.items() if key not in ("weights", "pretrained")}


def _is_value(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def build_model(row: dict[str, str]) -> Any:
    """The row's model with random weights, on the processor."""
    from gonogo.memory import builders

    text = row["constructor_or_class"]
    if row["library"] == "transformers":
        return transformers_model(row["model"], text, int(row["num_classes"] or 0))
    name, arguments = call_of(text)
    said = arguments.pop("said", "")
    name = {"MobileNetV3": f"mobilenet_v3_{said}", "MNASNet": "MNASNet"}.get(name, name)
    arguments |= {"num_classes": int(row["num_classes"])} if row["num_classes"] else {}
    return builders.build_model(f"{row['library']}:{name}", **arguments)


def transformers_model(model: str, text: str, classes: int = 0) -> Any:
    """`AutoModelForCausalLM.from_config` of a hub's name, or a class of the library with its own configuration."""
    from gonogo.memory import builders

    builders.allow_torchvision()
    import torch
    import transformers

    kind = getattr(transformers, re.split(r"[.(]", text.removeprefix("transformers."))[0])
    values = dict(config_of(model, kind))
    changes = re.search(r"Config(\(.*\))\)", text)
    values |= call_of(f"config{changes.group(1)}")[1] if changes else {}
    values |= {"num_labels": classes} if classes else {}
    config = transformers.AutoConfig.for_model(values.pop("model_type"), **values)
    made = kind.from_config(config) if hasattr(kind, "from_config") else kind(config)
    head = made.get_output_embeddings()
    apart = values.get("tie_word_embeddings") is False and head is not None
    if apart and head.weight is made.get_input_embeddings().weight:  # T5's newer classes tie them whatever is asked
        head.weight = torch.nn.Parameter(torch.empty_like(head.weight))
    return made


def build_step(row: dict[str, str]) -> Any:
    """The row's training step."""
    from gonogo.memory.library_steps import library_model_step

    zero_grad: Any = ZERO_GRAD.get(row["zero_grad_mode"], "before_backward" if "x86" in row["input_shape"] else "end")
    sizes = [int(size) for size in re.findall(r"(?<=x)\d+", row["input_shape"])]
    shape = tuple(sizes) or (int(row["seq_len"] or 128),)
    optimizer = ADAFACTOR if row["optimizer"] == "Adafactor" else row["optimizer"]
    return library_model_step(
        build_model(row), int(row["batch_size"]), shape, int(row["num_classes"] or 0) or 1, optimizer,
        zero_grad=zero_grad, precision=precision_of(row),
    )  # fmt: skip


def peers(row: dict[str, str]) -> dict[str, int]:
    """Bytes by other means: torch's MemTracker, four times the parameters, `accelerate estimate-memory`."""
    from gonogo.memory.builders import allow_torchvision

    allow_torchvision()
    from accelerate.commands.estimate import estimate_training_usage
    from accelerate.utils import calculate_maximum_sizes
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker

    from gonogo.memory.fake_gpu import fake_modules

    with FakeTensorMode(allow_non_fake_inputs=True), fake_modules():
        step = build_step(row)
        step.model.train()
        optimizer = step.optimizer()
        weights = sum(p.numel() * p.element_size() for p in step.model.parameters())
        accelerate = calculate_maximum_sizes(step.model)[0]
        tracker = MemTracker()
        tracker.track_external(step.model, optimizer)
        with tracker, contextlib.suppress(Exception):
            for _ in range(2):
                step.run(step.batch).backward()
                optimizer.step()
                optimizer.zero_grad()
        found = tracker.get_tracker_snapshot("peak")
        tracked = max((int(snapshot["Total"]) for snapshot in found.values()), default=0)
    return {
        "mem_tracker": tracked,
        "four_times_parameters": 4 * weights,
        "accelerate": max(estimate_training_usage(accelerate, "float32").values()),
    }


def main() -> None:
    row, folder = json.loads(sys.stdin.read()), Path(sys.argv[-1])
    if sys.argv[1] == "--peers":
        (folder / "peers.json").write_text(json.dumps(peers(row)))
    else:
        from gonogo.base.torch_startup import without_gc

        with without_gc():
            from gonogo.memory.trace import trace_step
        trace_step(lambda: build_step(row)).save(folder)
    sys.stdout.flush()
    os._exit(0)  # fake tensors are not torn down


if __name__ == "__main__":
    main()
