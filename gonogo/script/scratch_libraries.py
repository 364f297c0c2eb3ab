"""Libraries that write and read files below Python: their paths, translated at their door."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from gonogo.base.replaced import Replaced
from gonogo.script.imports import when_imported
from gonogo.script.overlay import Overlay


class Door(NamedTuple):
    """A function or class that takes a path."""

    name: str  # in its module; a class's method after a dot
    at: int  # position of the path, counted without `self`
    keyword: str  # name of the path's parameter
    writes: bool | None  # whether it writes there; None: as the mode says that follows the path or is named `mode`


DOORS = {
    "torch.serialization": [Door("_open_zipfile_writer_file.__init__", 0, "name", True)],
    "torch.jit": [Door("save", 1, "f", True), Door("load", 0, "f", False)],
    "torch.storage": [Door("UntypedStorage.from_file", 0, "filename", False)],
    "safetensors": [Door("serialize_file", 1, "filename", True), Door("safe_open", 0, "filename", False)],
    "safetensors.torch": [Door("serialize_file", 1, "filename", True), Door("safe_open", 0, "filename", False)],
    "safetensors.numpy": [Door("serialize_file", 1, "filename", True), Door("safe_open", 0, "filename", False)],
    "h5py": [Door("File.__init__", 0, "name", None)],
    "cv2": [
        Door("imwrite", 0, "filename", True), Door("imread", 0, "filename", False),
        Door("imwritemulti", 0, "filename", True), Door("VideoWriter", 0, "filename", True),
        Door("VideoCapture", 0, "filename", False),
    ],
    "sqlite3": [Door("connect", 0, "database", True)],
    "soundfile": [Door("write", 0, "file", True), Door("read", 0, "file", False)],
    "pyarrow": [Door("OSFile", 0, "path", None), Door("memory_map", 0, "path", None)],
    "lmdb": [Door("open", 0, "path", False)],
    "netCDF4": [Door("Dataset", 0, "filename", None)],
    "faiss": [Door("write_index", 1, "f", True), Door("read_index", 0, "f", False)],
    "xgboost": [Door("Booster.save_model", 0, "fname", True)],
    "sentencepiece": [Door("SentencePieceProcessor.Load", 0, "model_file", False)],
}  # fmt: skip


def follow_libraries(held: Replaced, overlay: Overlay) -> None:
    """Translate the paths of those that are loaded, and of the others once they are."""
    when_imported(held, dict.fromkeys(DOORS, lambda module: translate(held, overlay, module)))


def translate(held: Replaced, overlay: Overlay, module: ModuleType) -> None:
    """Every door of a module that is loaded."""
    for door in DOORS[module.__name__]:
        owner: Any = module
        *path, name = door.name.split(".")
        for part in path:
            owner = getattr(owner, part, None)
        if owner is None or not hasattr(owner, name):
            continue
        raw = vars(owner).get(name)
        plain = getattr(owner, name)
        function = _translated(overlay, door, plain, 1 if name == "__init__" else 0)
        held.set(owner, name, staticmethod(function) if isinstance(raw, staticmethod) else function)


def _translated(overlay: Overlay, door: Door, plain: Callable[..., Any], shift: int) -> Callable[..., Any]:
    at = door.at + shift
    if isinstance(plain, type):
        return _translated_class(overlay, door, plain)

    def call(*args: Any, **named: Any) -> Any:
        args, named = _arguments(overlay, door, at, args, named)
        return plain(*args, **named)

    return call


def _translated_class(overlay: Overlay, door: Door, plain: type) -> Any:
    """A class stays one: scripts subclass it and ask for it. Its instances are of the class itself."""

    class Meta(type):
        def __call__(cls, *args: Any, **named: Any) -> Any:
            args, named = _arguments(overlay, door, door.at, args, named)
            return plain(*args, **named)

        def __instancecheck__(cls, one: Any) -> bool:
            return isinstance(one, plain)

        def __getattr__(cls, name: str) -> Any:
            return getattr(plain, name)

    return Meta(plain.__name__, (), {"__doc__": plain.__doc__, "__module__": plain.__module__})


def _arguments(overlay: Overlay, door: Door, at: int, args: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    given = named.get(door.keyword, args[at] if len(args) > at else None)
    if not isinstance(given, (str, os.PathLike)) or not _is_file_name(os.fspath(given)):
        return args, named
    mode = str(named.get("mode", args[at + 1] if len(args) > at + 1 else "r")) if door.writes is None else ""
    writes = door.writes if door.writes is not None else any(letter in mode for letter in "wax+")
    full = overlay.absolute(given)
    if writes and not overlay.passes(full):
        real = overlay.writing(full, keep="w" not in mode)
    elif overlay.used:
        real = overlay.reading(full)
    else:
        return args, named
    if door.keyword in named:
        return args, {**named, door.keyword: real}
    return (*args[:at], real, *args[at + 1 :]), named


def _is_file_name(text: Any) -> bool:
    return isinstance(text, str) and bool(text) and not text.startswith((":", "file:")) and "://" not in text
