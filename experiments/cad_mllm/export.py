"""Export for deployment: adapters in peft's format, projectors, and the facts needed to use them; not the base."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from experiments.cad_mllm.checkpoint import check_base, read
from experiments.cad_mllm.model import CADModel, trainable
from experiments.cad_mllm.predict import load
from experiments.cad_mllm.settings import CADSettings
from gonogo import UserError, folder_replacing, write_json

ADAPTERS, PROJECTORS, FACTS = "adapter_model.safetensors", "projectors.safetensors", "metadata.json"


def export(checkpoint: Path, assets: Path, out: Path) -> None:
    """Write a checkpoint's adapters, projectors and metadata into the folder `out`.

    Raises:
        UserError: the checkpoint cannot be read, or belongs to another base than the one in `assets`.
    """
    _, said = read(checkpoint)
    settings = CADSettings.model_validate(said["settings"])
    model = load(checkpoint, settings, assets)
    with folder_replacing(out) as folder:
        model.language.save_pretrained(folder)
        projectors = {key: value.contiguous() for key, value in model.projectors.state_dict().items()}
        if projectors:
            save_file(projectors, folder / PROJECTORS)
        write_json(folder / FACTS, {**said, "checkpoint": checkpoint.name, "parameters": _count(model)})


def load_export(folder: Path, assets: Path) -> CADModel:
    """The exported model, on the base in `assets`.

    Raises:
        UserError: the folder is not an export, or belongs to another base.
    """
    if not (folder / FACTS).is_file():
        raise UserError(f"{folder}: no {FACTS}; export a checkpoint into it first")
    said = json.loads((folder / FACTS).read_text())
    model = CADModel(CADSettings.model_validate(said["settings"]), assets)
    check_base(said, model, str(folder))
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(model.language, load_file(folder / ADAPTERS))
    if model.projectors:
        model.projectors.load_state_dict(load_file(folder / PROJECTORS))
    return model.eval()


def _count(model: CADModel) -> int:
    return sum(parameter.numel() for parameter in trainable(model).values())


def main(arguments: list[str] | None = None) -> int:
    """Export a checkpoint for deployment."""
    parser = argparse.ArgumentParser(prog="python -m experiments.cad_mllm.export", description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--assets", type=Path, required=True, help="with the base: results/EXPERIMENT/assets")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        export(given.checkpoint, given.assets, given.out)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{given.out}: {', '.join(sorted(path.name for path in given.out.iterdir()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
