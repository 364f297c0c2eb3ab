"""Experiments of a class, written into a folder that Python imports from."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

COUNT = itertools.count()
CLASS = """
from typing import Any

from gonogo import LightningExperiment, StrictModel


class MySettings(StrictModel):
    width: int = 3


class Mine(LightningExperiment):
    kind = "images"
    Settings = MySettings
    generate_code = ("experiment.py", "render.py")

    def prepare(self, out, seed):
        return {}

    def generate(self, indices, out, seed, progress):
        from PACKAGE.render import render

    def module(self, training):
        from PACKAGE.module import Module

    def datamodule(self, training, data, seed): ...

    def example_batch(self, batch_size): ...

    def inputs(self, batch): ...

    def targets(self, batch): ...

    def without_input(self, batch): ...

    def predict(self, checkpoint, data, out, seed):
        from PACKAGE.predict import predict

    def show(self, batch, outputs, out):
        from PACKAGE.predict import picture
"""


class Package:
    """`experiment.py` with the class `Mine`, and other files beside it; `named` is what `class:` says."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.name = f"experiment_package_{next(COUNT)}"
        self.folder = root / self.name
        self.named = f"{self.name}.experiment:Mine"
        self.folder.mkdir()
        patch.syspath_prepend(str(root))
        patch.setattr(sys, "dont_write_bytecode", True)
        self.write("__init__.py", "")
        self.write("experiment.py", CLASS)

    def write(self, file: str, text: str) -> None:
        (self.folder / file).write_text(text.replace("PACKAGE", self.name))

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text()
        assert old in text
        self.write(file, text.replace(old, new))
