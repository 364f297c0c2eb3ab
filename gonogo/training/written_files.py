"""Files that a program wrote where it liked: collected into the run's folder; and which of them are checkpoints."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from gonogo.base.files import file_sizes

CHECKPOINT_ENDINGS = (".ckpt", ".pt", ".pth", ".safetensors", ".tar", ".bin", ".pkl")
NAMED = ("checkpoints/best.ckpt", "checkpoints/last.ckpt")  # the contract of commands that were written for it
COLLECTED = "written"


@contextlib.contextmanager
def collecting(root: Path, out: Path, data: list[Path]) -> Iterator[None]:
    """Move what is written below `root` during the block to `out/written`; what lies in `data` or `out` stays there."""
    before = _state(root)
    try:
        yield
    finally:
        kept = [folder.resolve() for folder in (*data, out)]
        for name, state in _state(root).items():
            path = root / name
            if before.get(name) == state or path.suffix == ".pyc" or any(map(path.resolve().is_relative_to, kept)):
                continue
            target = out / COLLECTED / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)


def _state(root: Path) -> dict[str, tuple[int, int]]:
    return {name: (status.st_size, status.st_mtime_ns) for name, status in file_sizes(root)}


def checkpoint_of(out: Path) -> Path | None:
    """The best or the last of a run's folder; of other names the newest; None where there is none."""
    named = next((out / name for name in NAMED if (out / name).exists()), None)
    if named is not None:
        return named
    others = [(status.st_mtime_ns, name) for name, status in file_sizes(out) if name.endswith(CHECKPOINT_ENDINGS)]
    return out / max(others)[1] if others else None
