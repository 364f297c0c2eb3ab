"""A CAD program for one caption, point cloud and picture, from a trained checkpoint."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from experiments.cad_mllm.checkpoint import read
from experiments.cad_mllm.data import Batch, read_cloud, read_picture, tokenized
from experiments.cad_mllm.predict import load, write_programs
from experiments.cad_mllm.program import built, parsed
from experiments.cad_mllm.settings import CADSettings
from gonogo import UserError


def infer(checkpoint: Path, assets: Path, caption: str, points: Path | None = None, image: Path | None = None) -> str:
    """The program, whether it builds a solid or not.

    Raises:
        UserError: a file cannot be read, or a modality that the model was trained on is missing.
    """
    _, said = read(checkpoint)
    settings = CADSettings.model_validate(said["settings"])
    model = load(checkpoint, settings, assets)
    given = {"points": points, "image": image}
    if missing := [f"--{name}" for name in model.encoders if given[name] is None]:
        raise UserError(f"{checkpoint}: this stage also reads {', '.join(missing)}; give it, or use an earlier stage")
    batch: Batch = tokenized(caption, "", model.tokens, settings)
    if points is not None and "points" in model.encoders:
        batch["points"] = read_cloud(points, settings.data.points)
    if image is not None and "image" in model.encoders:
        batch["image"] = read_picture(image, settings.data.image_size)
    with torch.no_grad():
        return write_programs(model, {key: value[None] for key, value in batch.items()})[0]


def infer_files(checkpoint: Path, assets: Path, given: str, out: Path) -> list[Path]:
    """Write `NAME.txt`, the program.

    Args:
        given: the caption; or a text file that holds it, with a cloud (.npy) and a picture (.png, .jpg) of its name
            beside it.
    """
    file, stem = Path(given), "program"
    beside: dict[str, Path | None] = {"points": None, "image": None}
    if given.endswith(".txt"):
        if not file.is_file():
            raise UserError(f"{file}: not there; give a caption in quotes, or a text file that holds one")
        if (out / file.name).resolve() == file.resolve():
            raise UserError(f"{file}: the program would replace it; name another folder with --out")
        given, stem = file.read_text(errors="replace").strip(), file.stem
        for name, endings in {"points": (".npy",), "image": (".png", ".jpg", ".jpeg")}.items():
            beside[name] = next((file.with_suffix(end) for end in endings if file.with_suffix(end).is_file()), None)
    program = infer(checkpoint, assets, given, beside["points"], beside["image"])
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{stem}.txt").write_text(f"{program}\n")
    return [out / f"{stem}.txt"]


def main(arguments: list[str] | None = None) -> int:
    """Print the CAD program of a part, and its volume."""
    parser = argparse.ArgumentParser(prog="python -m experiments.cad_mllm.infer", description=main.__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("caption", help="such as: a plate with one hole 30 wide 4 thick")
    parser.add_argument("--assets", type=Path, required=True, help="with the base: results/EXPERIMENT/assets")
    parser.add_argument("--points", type=Path, help=".npy, (N, 6): positions and normals")
    parser.add_argument("--image", type=Path, help="picture of the part")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        program = infer(given.checkpoint, given.assets, given.caption, given.points, given.image)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(program)
    try:
        print(f"volume {built(parsed(program)).volume():.0f}")
    except ValueError as error:
        print(f"builds no solid: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
