"""Stages that reach a machine reach the embedded server."""

from __future__ import annotations

from tests.remote.conftest import instance, machine, root_there, ssh, target

__all__ = ["instance", "machine", "root_there", "ssh", "target"]
