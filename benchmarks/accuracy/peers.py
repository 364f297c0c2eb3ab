"""What CleanVision and preflight-ml say of the same pictures. Run by the Python that has them, not by gonogo's:

    python peers.py FOLDER    # prints JSON: {"versions": …, "items": {class: flags}, "sets": {name: …}}

FOLDER/items/CLASS/*.png are views, FOLDER/sets/NAME/image_*/view_*/rgb.png sets of them.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from cleanvision import Imagelab
from PIL import Image

CHECKS = {name: {} for name in ("dark", "light", "low_information", "blurry", "grayscale", "odd_size")}


def cleanvision(files: list[Path]) -> list[bool]:
    """Whether any check of single pictures fires, for each file; its checks of duplicates are left out, for views of
    one scene are alike. A file that it cannot read counts as flagged; it aborts the scan, so that each is tried alone.
    """
    readable = [file for file in files if _opens(file)]
    if not readable:
        return [True] * len(files)
    lab = Imagelab(filepaths=[str(file) for file in readable], verbose=False)
    with contextlib.redirect_stdout(io.StringIO()):
        lab.find_issues(CHECKS, n_jobs=1, verbose=False)
    flags = lab.issues.filter(regex="^is_").any(axis=1)
    return [bool(flags.get(str(file), True)) for file in files]


def _opens(file: Path) -> bool:
    try:
        with Image.open(file) as picture:
            picture.load()
    except OSError:
        return False
    return True


def preflight(files: list[Path]) -> list[str]:
    """Its checks that fail on a data loader of these pictures, as `name (severity)`."""
    import torch
    from preflight.runner import run_checks

    pictures = [np.asarray(Image.open(file).convert("RGB"), np.float32) / 255 for file in files if _opens(file)]
    if not pictures:
        return ["nothing can be read (by the loader)"]
    batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    with contextlib.redirect_stdout(io.StringIO()):
        results = run_checks(dataloader=[(batch, torch.zeros(len(batch), dtype=torch.long))])
    return [f"{result.name} ({result.severity.value})" for result in results if not result.passed]


def main() -> None:
    folder = Path(sys.argv[1])
    items = {path.name: cleanvision(sorted(path.glob("*.png"))) for path in sorted((folder / "items").iterdir())}
    sets = {}
    for path in sorted((folder / "sets").iterdir()):
        files = sorted(path.glob("image_*/view_*/rgb.png"))
        flags = cleanvision(files)
        sets[path.name] = {
            "scenes": [
                [flag for flag, file in zip(flags, files, strict=True) if scene in file.parents]
                for scene in sorted(path.glob("image_*"))
            ],
            "preflight": preflight(files),
        }
    versions = {name: version(name) for name in ("cleanvision", "preflight-ml")}
    print(json.dumps({"versions": versions, "items": items, "sets": sets}))


if __name__ == "__main__":
    main()
