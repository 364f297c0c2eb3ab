"""An embedded instance for the whole session, and a fresh root on it for each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gonogo.config.target import Ssh, Target
from gonogo.remote import embedded_server
from gonogo.remote.machine import Machine, connect


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of a running embedded instance."""
    folder = tmp_path_factory.mktemp("instance")
    embedded_server.ensure(folder, os.getpid())
    yield folder
    embedded_server.stop(folder)


@pytest.fixture
def ssh(instance: Path) -> Ssh:
    shutil.rmtree(instance / "home/.gonogo", ignore_errors=True)  # the roots of other tests are other machines'
    return embedded_server.ensure(instance, os.getpid())


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Target:
    """A target whose root on the instance no other test uses."""
    return Target(root=f"root of {abs(hash(request.node.nodeid))}", python="this")


@pytest.fixture
def root_there(instance: Path, target: Target) -> Path:
    """The target's root, as this machine sees it."""
    return instance / "home" / target.root


@pytest.fixture
def machine(ssh: Ssh, target: Target) -> Iterator[Machine]:
    with connect(ssh, target) as connected:
        connected.install_agent()
        yield connected


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve files of 100 kB in folders, and some that must not travel."""
    folder = tmp_path / "data"
    for index in range(12):
        path = folder / f"image_{index:04d}" / "input é.png"
        path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(100_000))
    (folder / ".hidden").write_text("secret")
    (folder / "image_0003" / ".git").mkdir()
    (folder / "image_0003" / ".git" / "config").write_text("secret")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_text("x")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def quiet(done: int, total: int) -> None:
    """Progress that nobody reads."""
