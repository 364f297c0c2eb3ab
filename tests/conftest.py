"""What tests share: the repository, its shipped configuration, and the option `--fast`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fast import is_fast

os.environ.setdefault("OMP_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background: Ctrl-C would reach no child either
    signal.signal(signal.SIGINT, signal.default_int_handler)
ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only the tests that need neither torch nor SSH")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    below = ROOT / "tests" in collection_path.parents
    tests = collection_path.is_dir() or collection_path.name.startswith("test_")
    return True if config.getoption("--fast") and below and tests and not is_fast(collection_path) else None


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.getoption("--fast") and (heavy := {"torch", "paramiko"} & sys.modules.keys()):
        pytest.exit(f"--fast: collecting the tests has imported {', '.join(heavy)}: see tests/fast.py", returncode=1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.side_by_side import OnceEach

    return OnceEach(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT
