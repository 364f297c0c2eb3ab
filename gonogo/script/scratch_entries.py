"""What `os.scandir` returns where an overlay lies over a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import Any

from gonogo.script.overlay import Overlay


class Entries:
    """An iterator that can be closed."""

    def __init__(self, overlay: Overlay, path: Any) -> None:
        full = overlay.absolute(path)
        names = overlay.named(lambda: overlay.names(full))
        shown = [name if isinstance(path, str) else os.fsencode(name) for name in names]
        self._entries = iter([Entry(name, os.path.join(path, name)) for name in shown])

    def __iter__(self) -> Iterator[Entry]:
        return self

    def __next__(self) -> Entry:
        return next(self._entries)

    def __enter__(self) -> Entries:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...


class Entry:
    """What `os.scandir` yields."""

    def __init__(self, name: Any, path: Any) -> None:
        self.name, self.path = name, path

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def inode(self) -> int:
        return os.lstat(self.path).st_ino

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return os.stat(self.path, follow_symlinks=follow_symlinks)

    def _is(self, test: Callable[[int], bool], follow_symlinks: bool) -> bool:
        try:
            return test(os.stat(self.path, follow_symlinks=follow_symlinks).st_mode)
        except FileNotFoundError:
            return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_ISDIR, follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_ISREG, follow_symlinks)

    def is_symlink(self) -> bool:
        return self._is(stat.S_ISLNK, False)

    def is_junction(self) -> bool:
        return False
