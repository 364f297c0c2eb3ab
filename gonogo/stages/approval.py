"""A person's approval of the sample: the same record wherever it is given, in the terminal or on the served page."""

from __future__ import annotations

import functools
import time
from pathlib import Path

from gonogo.base.errors import UserError
from gonogo.base.files import file_sizes, write_text
from gonogo.base.text import clean
from gonogo.config.result_paths import ResultPaths
from gonogo.gates.launch import Approval
from gonogo.gates.registry import gate
from gonogo.gates.standing import latest
from gonogo.stages.freshness import data_digest
from gonogo.stages.measure_launch import approval

MOST_CHARACTERS = {"by": 200, "note": 2000}


def sample_digest(folder: Path) -> str:
    """Of the sample of an experiment, as it is now.

    Args:
        folder: the experiment's results.

    Raises:
        UserError: there is no sample.
    """
    sample = folder / "sample"
    if not sample.is_dir():
        raise UserError(f"{sample} is not there: run the workflow first, so that there is a sample to look at")
    seen = tuple((path, status.st_mtime_ns, status.st_size, status.st_ino) for path, status in file_sizes(sample))
    return _digest(sample.resolve(), seen)


@functools.lru_cache(maxsize=16)
def _digest(sample: Path, seen: tuple[tuple[str, int, int, int], ...]) -> str:
    """Read once as long as its files stay as they were `seen`."""
    return data_digest([sample])


def contact_sheet(folder: Path) -> Path:
    """Of the sample's gate, whose last round stands."""
    return latest(gate("quality/sample"), folder, "") / "contact_sheet.png"


def approve(folder: Path, experiment: str, by: str, note: str, digest: str) -> Approval:
    """Record that `by` checked this very sample; another sample needs another approval.

    Args:
        folder: the experiment's results.
        digest: of the sample that they checked.

    Raises:
        UserError: there is no sample, it is another one by now, or there is no name.
    """
    by, note = (clean(text)[: MOST_CHARACTERS[name]] for name, text in (("by", by), ("note", note)))
    if not by:
        raise UserError("--by: an approval needs a name")
    if digest != sample_digest(folder):
        raise UserError(f"{folder / 'sample'} has changed since it was shown: look at it again")
    given = Approval(
        experiment=experiment, by=by, note=note, approved_at=time.strftime("%Y-%m-%dT%H:%M:%S%z"), inputs_digest=digest
    )
    write_text(ResultPaths(folder, mode="").approval, given.model_dump_json(indent=1) + "\n")
    return given


def standing_approval(folder: Path) -> Approval | None:
    """The one that counts for the sample as it is now; None: there is none.

    Raises:
        UserError: there is no sample, or the file of the approval holds something else.
    """
    given = approval(ResultPaths(folder, mode="").approval)
    return given if given and given.inputs_digest == sample_digest(folder) else None
