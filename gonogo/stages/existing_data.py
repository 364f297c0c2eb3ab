"""Data that exists (`data:` in an experiment's file): it is read where it lies, and never copied into results/.

The sample is a folder of links to some of its files. The data set is a small file that says where it lies and how large
it is: `ExistingData`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.files import folder_replacing, survey_size, write_text
from gonogo.quality.inspector import ItemFiles
from gonogo.quality.stratified import stratified_order
from gonogo.runtime.context import LISTING, ExistingData, Run

WHOLE = ".whole"  # in the last folder of a sample that holds every item of the data; hidden files are no data


def link_sample(run: Run, out: Path, indices: Sequence[int]) -> str:
    """Links in `out` to items that are drawn from all folders in proportion; what was drawn, in words.

    Args:
        indices: the first and the last (exclusive) in the order of `stratified_order`.

    Raises:
        UserError: there is no such folder, or nothing of this kind in it.
    """
    folder = _folder(run)
    items = _items(run, folder)
    first, end = indices
    with run.work(), folder_replacing(out) as temporary:
        for index in stratified_order(items, run.config.seed)[first:end]:
            for name in items[index].files:
                link = temporary / name
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to((folder / name).absolute())
        if end >= len(items):
            (temporary / WHOLE).touch()
    drawn = min(end, len(items)) - first
    return f"{drawn} of {len(items):,} items of {run.experiment_config.data}, drawn from all its folders"


def list_data(run: Run, out: Path) -> ExistingData:
    """Count what there is, and note it in `out`."""
    folder = _folder(run)
    with run.work(), folder_replacing(out) as temporary:
        files, size_bytes = survey_size(folder)
        found = ExistingData(
            folder=folder.resolve(), items=len(_items(run, folder)), files=files, size_bytes=size_bytes
        )
        write_text(temporary / LISTING, found.model_dump_json(indent=1) + "\n")
    return found


def _folder(run: Run) -> Path:
    folder = run.load_experiment().data_folder()
    assert folder is not None
    if not folder.is_dir():
        raise UserError(
            f"config/experiments/{run.experiment}.yaml: data: {run.experiment_config.data}: no such folder, looked for "
            f"in {run.settings.root}. Name the folder that holds the data"
        )
    return folder


def _items(run: Run, folder: Path) -> list[ItemFiles]:
    return run.load_experiment().inspector(run.gates.quality).scan(folder).items
