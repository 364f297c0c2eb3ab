"""Which folders a script may really write: temporary ones and caches, whose contents the real run uses again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gonogo.script.request import ScriptCommand

SYSTEM = ("/dev", "/proc", "/sys", "/run", "/var/tmp")
CACHES = (
    "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "TRANSFORMERS_CACHE", "TORCH_HOME", "NLTK_DATA",
    "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TORCH_EXTENSIONS_DIR", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "TMPDIR",
)  # fmt: skip
HOME_CACHES = (".cache", ".triton", ".config/matplotlib", "nltk_data", ".nv", ".keras")


def kept_folders(folder: Path, command: ScriptCommand) -> list[Path]:
    """The script's own folder, its working directory, and the repository around each."""
    folders = [(folder / command.path).parent, folder] if command.path else [folder]
    roots = [next((one for one in [folder, *folder.parents] if (one / ".git").exists()), folder) for folder in folders]
    return [*folders, *roots]


class Places:
    """Folders by what may be done there.

    Args:
        kept: nothing may be written there, also where they lie in a place that otherwise may be.
        passed: written in earnest, beside temporary folders and caches.
    """

    def __init__(self, kept: list[Path], passed: list[Path]) -> None:
        home = Path.home()
        named = [Path(os.environ[key]).absolute() for key in CACHES if os.environ.get(key)]
        more = [*passed, Path(tempfile.gettempdir()), *named, *(home / name for name in HOME_CACHES)]
        self._passed = (*SYSTEM, *(str(path.absolute()) for path in more))
        self._kept = tuple(str(path.absolute()) for path in kept)

    def passes(self, path: str) -> bool:
        """Whether what is written at this absolute path is written in earnest: the nearest folder decides."""
        return _nearest(path, self._passed) > _nearest(path, self._kept)


def _nearest(path: str, folders: tuple[str, ...]) -> int:
    """Length of the longest of these folders that the path lies in; 0: it lies in none."""
    return max((len(one) for one in folders if path == one or path.startswith(f"{one.rstrip('/')}/")), default=0)
