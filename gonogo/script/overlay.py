"""A folder over the file system: what is written lies there, what is removed is only remembered, the rest is as it was.

Paths are taken as they are written (`..` by its text): no link of the real file system is followed to find the place of
a file in the overlay.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gonogo.script.places import Places

MOST_LINKS = 20


class PlainCalls:
    """The functions of `os` as they were before anything was replaced."""

    def __init__(self) -> None:
        for name in dir(os):
            if callable(getattr(os, name)):
                setattr(self, name, getattr(os, name))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Overlay:
    """Where a path really lies.

    Args:
        scratch: folder that holds what is written.
        kept: folders in which nothing may be written, also where they lie in a place that is otherwise passed.
        passed: folders that are written in earnest, beside temporary ones and caches.
    """

    def __init__(self, scratch: Path, kept: list[Path], passed: list[Path]) -> None:
        self.plain = PlainCalls()
        self.upper = f"{scratch.absolute()}/files"
        self.cwd = self.seen(os.getcwd())
        self.moved = self.cwd != os.getcwd()  # the working directory is a folder that only the overlay has
        self.used = self._is_there(self.upper)  # something was written or removed
        self.removed: set[str] = set()
        self.passes = Places(kept, [scratch, *passed]).passes

    def named(self, call: Callable[[], Any]) -> Any:
        """What it returns; an error names the file as the script does."""
        try:
            return call()
        except OSError as problem:
            for name in ("filename", "filename2"):
                value = getattr(problem, name, None)
                if isinstance(value, str) and value.startswith(self.upper):
                    setattr(problem, name, value.removeprefix(f"{self.upper}.removed").removeprefix(self.upper))
            raise

    def absolute(self, path: Any, dir_fd: int | None = None) -> str:
        """The path as the script sees it, without `.` and `..`."""
        text = os.fsdecode(path)
        if not text.startswith("/"):
            base = self.cwd if dir_fd is None else self.seen(self.plain.readlink(f"/proc/self/fd/{dir_fd}"))
            text = f"{base}/{text}"
        return os.path.normpath(text)

    def seen(self, real: str) -> str:
        """The script's name of a file that lies in the overlay's folder."""
        return real[len(self.upper) :] or "/" if real.startswith(self.upper) else real

    def reading(self, path: str, follow: bool = True) -> str:
        """Where this path is read; one that was removed is a name that does not exist."""
        path = self._followed(path) if follow else path
        if self._is_there(self.upper + path):
            return self.upper + path
        return f"{self.upper}.removed{path}" if self._is_removed(path) else path

    def _followed(self, path: str) -> str:
        """Behind the links that this path itself is, in the overlay or below."""
        for _ in range(MOST_LINKS):
            real = self.upper + path
            if not self._is_there(real):
                if self._is_removed(path):
                    return path
                real = path
            try:
                target = self.plain.readlink(real)
            except OSError:
                return path
            path = os.path.normpath(os.path.join(os.path.dirname(path), target))
        return path

    def _is_removed(self, path: str) -> bool:
        if not self.removed:
            return False
        while len(path) > 1:
            if path in self.removed:
                return True
            path = os.path.dirname(path)
        return False

    def below(self, path: str) -> bool:
        """Whether the real file system has it, and the script did not remove it."""
        return not self._is_removed(path) and self._is_there(path)

    def exists(self, path: str) -> bool:
        """For the script."""
        return self._is_there(self.upper + path) or self.below(path)

    def _is_there(self, real: str) -> bool:
        try:
            self.plain.lstat(real)
        except OSError:
            return False
        return True

    def writing(self, path: str, *, keep: bool, dir_: bool = False) -> str:
        """Where this path is written, with the folder for it made.

        Args:
            keep: what it holds now is needed, so that it is copied first.

        Raises:
            FileNotFoundError: its folder is not there, for the script.
        """
        parent = self.folder_for(path)
        real = f"{parent}/{os.path.basename(path)}"
        if not self._is_there(real) and not dir_ and self.below(path):
            found = self.plain.stat(path).st_mode
            if keep and stat.S_ISREG(found):
                self.copied(path, real)
            elif stat.S_ISDIR(found):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self.used = True
        if not dir_:
            self.removed.discard(path)
        return real

    def folder_for(self, path: str) -> str:
        """The overlay's folder for a file with this path."""
        parent = os.path.dirname(path)
        real = self.reading(parent)
        if not stat.S_ISDIR(self._mode(real, parent)):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        if not real.startswith(self.upper):
            real = self.upper + parent
            self._made(real)
        return real

    def _mode(self, real: str, path: str) -> int:
        try:
            return int(self.plain.stat(real).st_mode)
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None

    def _made(self, real: str) -> None:
        if not self._is_there(real):
            self._made(os.path.dirname(real))
            self.plain.mkdir(real)

    def copied(self, source: str, real: str) -> None:
        """Contents, times and permissions; by descriptors, as the functions of shutil are replaced as well."""
        facts = self.plain.stat(source)
        reader = self.plain.open(source, os.O_RDONLY)
        writer = self.plain.open(real, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 | stat.S_IMODE(facts.st_mode))
        try:
            while self.plain.sendfile(writer, reader, None, 1 << 30):
                pass
        finally:
            self.plain.close(reader)
            self.plain.close(writer)
        self.plain.utime(real, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    def names(self, path: str) -> dict[str, bool]:
        """Name in a folder → whether it lies in the overlay."""
        path = self._followed(path)
        real = self.upper + path
        upper = self.plain.listdir(real) if self._is_there(real) else None
        found: dict[str, bool] = {}
        if self.below(path) or upper is None:
            found = dict.fromkeys(self.plain.listdir(self.reading(path) if upper is None else path), False)
            found = {name: False for name in found if f"{path.rstrip('/')}/{name}" not in self.removed}
        return found | dict.fromkeys(upper or (), True)

    def remove(self, path: str) -> None:
        """Remove a file for the script."""
        real, below = self.upper + path, self.below(path)
        if self._is_there(real):
            self.plain.unlink(real)
        elif not below:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        elif stat.S_ISDIR(self.plain.lstat(path).st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self._forget(path, below)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder for the script."""
        real, below = self.upper + path, self.below(path)
        if self.names(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        if self._is_there(real):
            self.plain.rmdir(real)
        self._forget(path, below)

    def _forget(self, path: str, below: bool) -> None:
        self.used = True
        if below:
            self.removed.add(path)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        """Make a folder for the script."""
        if self._is_there(self.upper + path) or self.below(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self.plain.mkdir(f"{self.folder_for(path)}/{os.path.basename(path)}", mode)
        self.used = True
        for old in [one for one in self.removed if one == path]:  # what it held before stays removed
            self.removed.discard(old)
            if self._is_there(old) and stat.S_ISDIR(self.plain.stat(old).st_mode):
                self.removed.update(f"{old}/{name}" for name in self.plain.listdir(old))

    def rename(self, source: str, target: str) -> None:
        """Move a file or folder, as rename(2) does, for the script."""
        real, below = self.upper + source, self.below(source)
        if not self._is_there(real) and not below:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
        if source == target:
            return
        if below:
            self._lifted(source)
        is_dir = stat.S_ISDIR(self.plain.lstat(real).st_mode)
        there = self.reading(target, follow=False)
        if self._is_there(there):
            onto_dir = stat.S_ISDIR(self.plain.lstat(there).st_mode)
            if onto_dir and not is_dir:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
            if onto_dir and self.names(target):
                raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), target)
            if is_dir and not onto_dir:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), target)
        new = f"{self.folder_for(target)}/{os.path.basename(target)}"
        self.plain.rename(real, new)
        if is_dir and self._is_there(target) and not self._is_removed(target):
            self.removed.update(f"{target}/{name}" for name in self.plain.listdir(target))
        self.removed.discard(target)
        self._forget(source, below)

    def _lifted(self, path: str) -> None:
        """Copied into the overlay, with all that it holds and the script can see."""
        real = self.writing(path, keep=True, dir_=self._is_dir(path)) if not self._is_link(path) else self._linked(path)
        if self._is_dir(path) and not self._is_link(path):
            self._made(real)
            for name, upper in self.names(path).items():
                if not upper or self.below(f"{path}/{name}"):
                    self._lifted(f"{path}/{name}")

    def _linked(self, path: str) -> str:
        real = f"{self.folder_for(path)}/{os.path.basename(path)}"
        if not self._is_there(real):
            self.plain.symlink(self.plain.readlink(path), real)
        return real

    def _is_dir(self, path: str) -> bool:
        return self._is_there(path) and stat.S_ISDIR(self.plain.stat(path).st_mode)

    def _is_link(self, path: str) -> bool:
        return self._is_there(path) and stat.S_ISLNK(self.plain.lstat(path).st_mode)

    def chdir(self, path: str) -> None:
        """Change the working directory, which only the overlay may have."""
        real = self.reading(path) if self.used else path
        self.plain.chdir(real)
        self.moved = real != path
        self.cwd = path if self.moved else self.plain.getcwd()

    def written(self) -> Iterator[str]:
        """Files that the overlay holds, as the script names them."""
        for folder, _, names in os.walk(self.upper):
            for name in names:
                yield self.seen(f"{folder}/{name}")
