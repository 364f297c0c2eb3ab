"""The data of `eeg`: simulated subjects, or the recordings of `inputs` → one HDF5 file each, `sub-NNNN_run-R.h5`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.eeg.cache import SUFFIX, write
from experiments.eeg.recorded import file_name, find, windows_of
from experiments.eeg.settings import DataSettings
from experiments.eeg.subjects import recording
from gonogo import too_few, write_text

Progress = Callable[[int, int], None]


def prepare(settings: DataSettings, inputs: Path | None, out: Path) -> None:
    """Read what the files of `inputs` say, and write what is there and what is left out to `inputs.md`.

    Raises:
        UserError: files are missing, or cannot be used.
    """
    out.mkdir(parents=True, exist_ok=True)
    if inputs is None:
        return
    found = find(inputs, settings)
    subjects = len({source.subject for source in found.sources})
    told = [f"{inputs}: {len(found.sources)} recordings of {subjects} subjects", *found.notes]
    print("\n".join(told), flush=True)
    write_text(out / "inputs.md", "".join(f"- {line}\n" for line in told))


def generate(
    settings: DataSettings, inputs: Path | None, indices: Sequence[int], out: Path, seed: int, progress: Progress
) -> None:
    """Write the recordings with these indices into `out`; an index and a seed always give the same bytes.

    Raises:
        UserError: `inputs` has fewer recordings, or some that cannot be used.
    """
    out.mkdir(parents=True, exist_ok=True)
    if inputs is not None:
        _convert(settings, inputs, indices, out, progress)
        return
    for done, index in enumerate(indices, start=1):
        data, targets = recording(index, settings, seed)
        name, run = f"sub-{index // settings.recordings_per_subject:04d}", index % settings.recordings_per_subject + 1
        attributes = {"subject": name, "run": run, "sfreq": settings.sample_rate_hz, "unit": "µV"}
        write(out / f"{name}_run-{run}{SUFFIX}", data, targets, attributes, settings.stop_after)
        progress(done, len(indices))


def _convert(settings: DataSettings, inputs: Path, indices: Sequence[int], out: Path, progress: Progress) -> None:
    sources = find(inputs, settings).sources
    for done, index in enumerate(indices, start=1):
        if index >= len(sources):
            raise too_few(inputs, len(sources), index, "recordings with a target")
        data, targets = windows_of(sources[index], settings)
        name, run = file_name(sources, index)
        attributes = {"subject": name, "run": run, "sfreq": settings.sample_rate_hz, "unit": "µV"}
        write(out / f"{name}_run-{run}{SUFFIX}", data, targets, attributes, None)
        progress(done, len(indices))
