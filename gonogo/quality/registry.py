"""The kinds of data that there is an inspector for, by name."""

from __future__ import annotations

import importlib
import importlib.util

from gonogo.base.errors import UserError
from gonogo.base.extras import install_line
from gonogo.quality.inspector import Inspector

# name → module and class, imported when it is needed
KINDS = {
    "views": "gonogo.quality.views.inspector:Views",
    "images": "gonogo.quality.pictures.inspector:Images",
    "volumes": "gonogo.quality.volumes.inspector:Volumes",
    "series": "gonogo.quality.series.inspector:SeriesFiles",
    "points": "gonogo.quality.points.inspector:PointClouds",
    "text": "gonogo.quality.text.inspector:Texts",
    "tables": "gonogo.quality.tables.inspector:Tables",
    "shards": "gonogo.quality.shards.inspector:Shards",
    "files": "gonogo.quality.any_files:AnyFiles",
}
# kinds whose gate also says how items are read: a change there measures them again
CONFIGURED = ("series", "text", "tables")
# libraries beyond the core, by kind; the extra to install has the kind's name
NEEDED = {"volumes": ["nibabel"], "series": ["h5py"], "points": ["trimesh"], "text": ["jsonschema_rs", "tokenizers"]}


def check_kind(name: str) -> None:
    """Raise UserError where there is no inspector of this name, or a library that it needs is not installed."""
    if name not in KINDS:
        raise UserError(f"kind {name!r}: there is an inspector for: {', '.join(KINDS)}")
    for package in NEEDED.get(name, ()):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"kind {name!r} needs the package {package!r}, not installed: {install_line(name)}")


def kind_of(name: str) -> Inspector:
    """The inspector of a kind.

    Raises:
        UserError: as `check_kind`.
    """
    check_kind(name)
    module, _, attribute = KINDS[name].partition(":")
    inspector = getattr(importlib.import_module(module), attribute)()
    assert isinstance(inspector, Inspector)
    return inspector
