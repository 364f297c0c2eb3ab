"""Nothing is written into the user's folders: Python's own ways to write, replaced by those over an overlay.

Put in place before anything large is imported: a library that holds a function of `os` under another name keeps it.
Reading costs one test more until something was written.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gonogo.base.replaced import Replaced
from gonogo.script.overlay import Overlay
from gonogo.script.scratch_entries import Entries
from gonogo.script.scratch_libraries import follow_libraries

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
READERS = ("stat", "access", "statvfs", "listxattr", "getxattr", "pathconf")  # each with a path first
NOT_FOLLOWING = ("lstat", "readlink")
ATTRIBUTES = ("utime", "chmod", "chown", "lchown", "setxattr", "removexattr")
COPIES_OF_OPEN = (("bz2", "_builtin_open"), ("lzma", "_builtin_open"), ("tarfile", "bltn_open"))


def write_to_scratch(held: Replaced, scratch: Path, kept: list[Path], passed: list[Path]) -> Overlay:
    """Replace them all.

    Args:
        scratch: folder for what is written.
        kept: folders in which nothing may be written, also below the place for temporary files.
        passed: folders that are written in earnest.
    """
    overlay = Overlay(scratch, kept, passed)
    functions: dict[str, Callable[..., Any]] = {
        **{name: _reader(overlay, name, True) for name in READERS},
        **{name: _reader(overlay, name, False) for name in NOT_FOLLOWING},
        **{name: _attributes(overlay, name) for name in ATTRIBUTES},
        **_folders(overlay), **_files(overlay), **_new_names(overlay),
    }  # fmt: skip
    for name, function in functions.items():
        plain = getattr(os, name)
        for offers in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
            if plain in offers:
                offers.add(function)
        function.__module__, function.__qualname__ = "os", name  # pickled by its name, as the plain one is
        held.set(os, name, function)
    open_ = Open(overlay)
    for owner, name in [(builtins, "open"), (io, "open"), *_copies_of_open()]:
        held.set(owner, name, open_)
    for function in _temporary_files():  # each has `unlink` as a default
        known = {getattr(overlay.plain, name): made for name, made in functions.items()}
        held.set(function, "__defaults__", tuple(known.get(one, one) for one in function.__defaults__))
    held.set(shutil, "_use_fd_functions", False)
    held.set(subprocess.Popen, "__init__", _started_in(overlay, subprocess.Popen.__init__))
    follow_libraries(held, overlay)
    return overlay


def _started_in(overlay: Overlay, plain: Callable[..., None]) -> Callable[..., None]:
    def __init__(process: Any, *args: Any, **named: Any) -> None:
        if overlay.used and isinstance(named.get("cwd"), (str, os.PathLike)):
            named["cwd"] = overlay.reading(overlay.absolute(named["cwd"]))
        plain(process, *args, **named)

    return __init__


def _copies_of_open() -> Iterator[tuple[Any, str]]:
    import importlib

    for module, name in COPIES_OF_OPEN:
        if hasattr(found := importlib.import_module(module), name):
            yield found, name


def _temporary_files() -> Iterator[Any]:
    for kind in vars(tempfile).values():
        if isinstance(kind, type) and kind.__module__ == "tempfile":
            yield from (one for one in vars(kind).values() if getattr(one, "__defaults__", None))


class Open:
    """`open`. An object and no function: as an attribute of a class, it is not bound to the instance."""

    def __init__(self, overlay: Overlay) -> None:
        self.overlay = overlay
        self.plain = builtins.open
        self.__module__ = "io"

    def __reduce__(self) -> str:
        return "open"

    def __call__(self, file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        overlay = self.overlay
        if type(file) is int or not (overlay.used or mode not in {"r", "rb"}):
            return self.plain(file, mode, *args, **named)
        path = overlay.absolute(file)
        if "w" in mode or "a" in mode or "x" in mode or "+" in mode:
            if overlay.passes(path):
                return self.plain(file, mode, *args, **named)
            if "x" in mode and overlay.below(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fspath(file))
            if "r" in mode and not overlay.exists(path):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(file))
            real = overlay.writing(path, keep="w" not in mode)
        else:
            real = overlay.reading(path)
        shown = file if real == path and not overlay.moved else real
        return overlay.named(lambda: self.plain(shown, mode, *args, **named))


def _reader(overlay: Overlay, name: str, follows: bool) -> Callable[..., Any]:
    plain = getattr(os, name)

    def read(path: Any, *args: Any, **named: Any) -> Any:
        if not overlay.used or type(path) is int:
            return plain(path, *args, **named)
        full = overlay.absolute(path, named.get("dir_fd"))
        real = overlay.reading(full, follows and named.get("follow_symlinks", True))
        if real == full and not overlay.moved:
            return plain(path, *args, **named)
        named.pop("dir_fd", None)
        return overlay.named(lambda: plain(real, *args, **named))

    return read


def _attributes(overlay: Overlay, name: str) -> Callable[..., Any]:
    """Times and permissions of what the overlay holds; those of other files stay as they are."""
    plain = getattr(os, name)

    def change(path: Any, *args: Any, **named: Any) -> Any:
        full = "" if type(path) is int else overlay.absolute(path, named.get("dir_fd"))
        if not full or overlay.passes(full):
            return plain(path, *args, **named)
        real = overlay.reading(full, named.get("follow_symlinks", name != "lchown"))
        named.pop("dir_fd", None)
        if real.startswith(overlay.upper):
            return overlay.named(lambda: plain(real, *args, **named))
        overlay.plain.lstat(full)
        return None

    return change


def _changing(overlay: Overlay, plain: Callable[..., None], change: Callable[..., None]) -> Callable[..., None]:
    """`plain` where a path is written in earnest, elsewhere the overlay's own `change`, with the same arguments."""

    def changed(path: Any, *args: Any, dir_fd: int | None = None, **named: Any) -> None:
        full = overlay.absolute(path, dir_fd)
        if overlay.passes(full):
            plain(path, *args, dir_fd=dir_fd, **named)
        else:
            overlay.named(lambda: change(full, *args, **named))

    return changed


def _folders(overlay: Overlay) -> dict[str, Callable[..., Any]]:
    plain = overlay.plain

    def listdir(path: Any = ".") -> Any:
        if not overlay.used or type(path) is int:
            return plain.listdir(path)
        names = overlay.named(lambda: overlay.names(overlay.absolute(path or ".")))
        return [os.fsencode(name) for name in names] if isinstance(path, bytes) else list(names)

    def scandir(path: Any = ".") -> Any:
        if not overlay.used or type(path) is int:
            return plain.scandir(path)
        return Entries(overlay, os.fspath(path or "."))

    def chdir(path: Any) -> None:
        if type(path) is int:
            plain.chdir(path)
            overlay.cwd = overlay.seen(plain.getcwd())
            overlay.moved = overlay.cwd != plain.getcwd()
        else:
            overlay.named(lambda: overlay.chdir(overlay.absolute(path)))

    def getcwd() -> str:
        return overlay.cwd if overlay.moved else str(plain.getcwd())

    return {
        "mkdir": _changing(overlay, plain.mkdir, overlay.mkdir),
        "rmdir": _changing(overlay, plain.rmdir, overlay.rmdir),
        "listdir": listdir, "scandir": scandir, "chdir": chdir, "fchdir": chdir, "getcwd": getcwd,
        "getcwdb": lambda: os.fsencode(getcwd()),
    }  # fmt: skip


def _files(overlay: Overlay) -> dict[str, Callable[..., Any]]:
    plain = overlay.plain

    def open_(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if not flags & WRITES and not overlay.used:
            return int(plain.open(path, flags, mode, dir_fd=dir_fd))
        full = overlay.absolute(path, dir_fd)
        if not flags & WRITES:
            real = overlay.reading(full)
        elif overlay.passes(full):
            real = full
        elif flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), path)
        elif flags & os.O_EXCL and overlay.below(full):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        else:
            real = overlay.writing(full, keep=not flags & os.O_TRUNC)
        if real == full and not overlay.moved:
            return int(plain.open(path, flags, mode, dir_fd=dir_fd))
        return int(overlay.named(lambda: plain.open(real, flags, mode)))

    def rename(src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        source, target = overlay.absolute(src, src_dir_fd), overlay.absolute(dst, dst_dir_fd)
        overlay.named(lambda: _renamed(overlay, source, target))

    def truncate(path: Any, length: int) -> None:
        full = "" if type(path) is int else overlay.absolute(path)
        real = full and (full if overlay.passes(full) else overlay.writing(full, keep=True))
        overlay.named(lambda: plain.truncate(real or path, length))

    remove = _changing(overlay, plain.unlink, overlay.remove)
    return {
        "open": open_,
        "remove": remove,
        "unlink": remove,
        "rename": rename,
        "replace": rename,
        "truncate": truncate,
    }


def _new_names(overlay: Overlay) -> dict[str, Callable[..., Any]]:
    """What makes a file of another kind, or another name of one."""
    plain = overlay.plain

    def symlink(src: Any, dst: Any, target_is_directory: bool = False, *, dir_fd: int | None = None) -> None:
        full = overlay.absolute(dst, dir_fd)
        if overlay.passes(full):
            plain.symlink(src, dst, dir_fd=dir_fd)
            return
        if overlay.below(full):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), dst)
        overlay.named(lambda: plain.symlink(src, overlay.writing(full, keep=False)))

    def link(src: Any, dst: Any, **named: Any) -> None:
        source, target = overlay.absolute(src, named.get("src_dir_fd")), overlay.absolute(dst, named.get("dst_dir_fd"))
        if overlay.passes(target):
            plain.link(overlay.reading(source), target)
            return
        if overlay.below(target) or os.path.lexists(overlay.upper + target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), dst)
        overlay.named(lambda: overlay.copied(overlay.reading(source), overlay.writing(target, keep=False)))

    def made(name: str) -> Callable[..., None]:
        def make(path: Any, *args: Any, dir_fd: int | None = None, **named: Any) -> None:
            full = overlay.absolute(path, dir_fd)
            real = full if overlay.passes(full) else overlay.writing(full, keep=False)
            overlay.named(lambda: getattr(plain, name)(real, *args, **named))

        return make

    return {"symlink": symlink, "link": link, "mkfifo": made("mkfifo"), "mknod": made("mknod")}


def _renamed(overlay: Overlay, source: str, target: str) -> None:
    """As rename(2), between places that are written in earnest and the overlay."""
    plain, from_, to = overlay.plain, overlay.passes(source), overlay.passes(target)
    if not from_ and not to:
        overlay.rename(source, target)
        return
    if from_ and to:
        plain.rename(source, target)
        return
    real = source if from_ else overlay.reading(source, follow=False)
    new = target if to else overlay.writing(target, keep=False)
    try:
        if real == source and not from_:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)  # a file of the user's is copied, never moved
        plain.rename(real, new)
    except OSError as problem:
        if problem.errno != errno.EXDEV or not stat.S_ISREG(plain.lstat(real).st_mode):
            raise
        overlay.copied(real, new)
        plain.unlink(real) if from_ else overlay.remove(source)
