"""What users write for projects of theirs, counted line by line in test_check.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

import gonogo
from tests.adapters import projects
from tests.adapters.projects import rate


def regression(fault: str = "") -> Any:
    model = projects.perceptron()
    return gonogo.torch(
        model=model,
        optimizer=torch.optim.Adam(model.parameters(), lr=rate(1e-2, fault)),
        loss=nn.MSELoss(),
        loaders=projects.table(fault),
    )


def classification(fault: str = "") -> Any:
    return gonogo.torch(
        model=projects.classifier,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=rate(0.03, fault), momentum=0.9),
        loss=nn.CrossEntropyLoss(),
        loaders=projects.classified(fault),
    )


def segmentation(fault: str = "") -> Any:
    return gonogo.torch(
        model=projects.segmenter(),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=rate(0.1, fault), momentum=0.9),
        loss=nn.BCEWithLogitsLoss(),
        loaders=projects.masked(fault),
    )


def language(fault: str = "") -> Any:
    return gonogo.torch(
        model=projects.Reader(),
        optimizer=lambda parameters: torch.optim.Adam(parameters, lr=rate(1e-2, fault)),
        loss=lambda model, batch: model(*batch)[1],
        loaders=projects.texts(fault),
    )


def transformer(fault: str = "") -> Any:
    return gonogo.huggingface(projects.trainer(fault))


def module(fault: str = "") -> Any:
    return gonogo.lightning(projects.ShapesModule(rate(1e-2, fault)), projects.ShapesData(fault))
