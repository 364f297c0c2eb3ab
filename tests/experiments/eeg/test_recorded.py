"""Recordings of people as `inputs:`: caches as they are made for a challenge, and EDF with BIDS' participants.tsv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from experiments.eeg.cache import verify
from experiments.eeg.data import EEGDataModule, subject_of
from experiments.eeg.experiment import EEG
from experiments.eeg.recorded import Source, _people, file_name
from gonogo.base.errors import UserError
from gonogo.quality.inspect import inspect
from tests.experiments.eeg.recordings import experiment

CHANNELS, SAMPLES, RATE_HZ = 129, 200, 100.0
PEOPLE = [f"NDAR{number:03d}" for number in range(6)]


def cache(
    path: Path,
    people: Sequence[str] = PEOPLE,
    samples: int = SAMPLES,
    rate_hz: float = RATE_HZ,
    channels: int = CHANNELS,
) -> np.ndarray:
    """Two windows of each subject in turn, in volts, with one target for each; the windows."""
    rng = np.random.default_rng(len(path.name))
    subjects = np.array(PEOPLE * 2, dtype="S")
    data = 2e-5 * rng.normal(size=(len(subjects), channels, samples))
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=data.astype(np.float32), compression="gzip")
        file.create_dataset("targets", data=np.full(len(subjects), -1))
        file.create_dataset("subjects", data=subjects)
        file.create_dataset("p_factors", data=np.arange(len(subjects), dtype=float))
        file.attrs.update({"sfreq": rate_hz, "release": path.stem})
    return data


def own(inputs: Path, **recorded: object) -> EEG:
    settings = {
        "data": {
            "channels": CHANNELS, "window_samples": SAMPLES,
            "recorded": {"target": "p_factors", "unit": "V", **recorded},
        },
        "model": {"kernel": 16, "late_kernel": 4},
    }  # fmt: skip
    found = experiment(settings)
    found.config = found.config.model_copy(update={"inputs": inputs, "dataset_items": 6})
    return found


def generated(mine: EEG, out: Path, items: int) -> Path:
    mine.prepare(out / "assets", 0)
    mine.generate(range(items), out / "data", 0, lambda done, total: None)
    return out / "data"


def test_a_cache_of_a_challenge_becomes_recordings_of_its_subjects(tmp_path: Path) -> None:
    data = cache(tmp_path / "in/challenge2_R1_windows.h5")
    mine = own(tmp_path / "in")
    assert mine.lacking() == []
    out = generated(mine, tmp_path, 6)
    files = sorted(out.iterdir())
    assert [file.name for file in files] == [f"sub-{name}_run-1.h5" for name in PEOPLE]
    assert {verify(file, CHANNELS, SAMPLES) for file in files} == {2}
    with h5py.File(files[1]) as file:
        np.testing.assert_allclose(file["data"][:], 1e6 * data[[1, 7]], rtol=1e-4)
        assert file["targets"][:].tolist() == [1, 7] and file.attrs["unit"] == "µV"
    assert "6 recordings of 6 subjects" in (tmp_path / "assets/inputs.md").read_text()
    assert not inspect(out, "series").verdict.failed
    module = EEGDataModule(mine.settings, mine.config.training, [out], 0, 0.3)
    assert not {subject_of(file) for file in module.train_files} & {subject_of(file) for file in module.val_files}
    assert next(iter(module.train_dataloader()))["windows"].shape[1:] == (CHANNELS, SAMPLES)


def test_windows_of_four_seconds_are_cut_in_two_and_unknown_targets_left_out_by_name(tmp_path: Path) -> None:
    path = tmp_path / "in/R1.h5"
    data = cache(path, samples=2 * SAMPLES)
    with h5py.File(path, "a") as file:
        file["p_factors"][3] = np.nan
        file["p_factors"][9] = np.nan
    out = generated(own(tmp_path / "in"), tmp_path, 5)
    assert [file.name for file in sorted(out.iterdir())] == [f"sub-{PEOPLE[at]}_run-1.h5" for at in (0, 1, 2, 4, 5)]
    with h5py.File(out / f"sub-{PEOPLE[0]}_run-1.h5") as file:
        np.testing.assert_allclose(file["data"][1], 1e6 * data[0, :, SAMPLES:], rtol=1e-4)
        assert file["targets"][:].tolist() == [0, 0, 6, 6]
    said = "left out, because they have no target: 2: window 3 of R1.h5, window 9 of R1.h5"
    assert said in (tmp_path / "assets/inputs.md").read_text()


def test_each_fault_of_the_files_is_named_with_its_count_and_examples(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    cache(folder / "good.h5")
    for name in ("a.h5", "b.h5"):
        cache(folder / name, rate_hz=500.0)
    cache(folder / "short.h5", channels=128)
    with h5py.File(folder / "cut.h5", "w") as file:
        file.create_dataset("data", (12, CHANNELS, SAMPLES), "f4", chunks=(3, CHANNELS, SAMPLES))[:6] = 1.0
        file.create_dataset("p_factors", data=np.arange(12.0))
        file.create_dataset("subjects", data=np.array(PEOPLE * 2, dtype="S"))
    (folder / "damaged.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    with pytest.raises(UserError) as caught:
        generated(own(folder), tmp_path, 6)
    told = str(caught.value)
    assert told.startswith(f"inputs: {folder}: 5 of 6 recordings cannot be used: ")
    assert "500 Hz, where settings.data.sample_rate_hz says 100 (2: a.h5, b.h5)" in told
    assert "windows of 128 × 200, where settings.data says 129 channels × 200 samples (1: short.h5)" in told
    assert "2 of 4 chunks were never written: an interrupted write (1: cut.h5)" in told
    assert own(folder).lacking() == [told]


def test_caches_that_are_not_there_are_named_before_anything_runs(tmp_path: Path) -> None:
    cache(tmp_path / "in/R1.h5")
    mine = own(tmp_path / "in", files=["R1.h5", "R2.h5", "R3.h5"])
    assert "2 of 3 files that settings.data.recorded.files names are not there: R2.h5, R3.h5" in mine.lacking()[0]
    few = own(tmp_path / "in")
    few.config = few.config.model_copy(update={"dataset_items": 9})
    assert few.lacking() == ["inputs: 6 recordings of 9 (dataset_items)"]
    with pytest.raises(UserError, match="6 recordings with a target; number 9 was requested: set `dataset_items: 6`"):
        few.generate([8], tmp_path / "out", 0, lambda done, total: None)


def edf(path: Path, rate_hz: int, channels: int = 4, seconds: int = 6) -> np.ndarray:
    """Sines of 5 Hz in µV, one for each channel, larger each time."""
    pyedflib = pytest.importorskip("pyedflib")
    times = np.arange(seconds * rate_hz) / rate_hz
    signal = np.stack([(10 + 5 * at) * np.sin(2 * np.pi * 5 * times) for at in range(channels)])
    path.parent.mkdir(parents=True, exist_ok=True)
    headers = pyedflib.highlevel.make_signal_headers(
        [f"E{at}" for at in range(channels)],
        dimension="uV",
        sample_frequency=rate_hz,
        physical_min=-200,
        physical_max=200,
    )
    pyedflib.highlevel.write_edf(str(path), signal, headers)
    return signal


def bids(folder: Path, rates_hz: Sequence[int]) -> EEG:
    for at, rate_hz in enumerate(rates_hz):
        edf(folder / f"sub-{at:02d}/eeg/sub-{at:02d}_task-rest_eeg.edf", rate_hz)
    rows = "".join(f"sub-{at:02d}\t{'n/a' if at == 1 else at / 2}\n" for at in range(len(rates_hz)))
    (folder / "participants.tsv").write_text("participant_id\texternalizing\n" + rows)
    mine = own(folder, target="externalizing", resample=True)
    mine.settings.data.channels = 4
    return mine


def test_edf_in_bids_takes_its_targets_from_participants_and_is_resampled(tmp_path: Path) -> None:
    mine = bids(tmp_path / "in", [100, 100, 250])
    out = generated(mine, tmp_path, 2)
    assert sorted(file.name for file in out.iterdir()) == ["sub-00_run-1.h5", "sub-02_run-1.h5"]
    times = np.arange(SAMPLES) / RATE_HZ
    for name, target in (("sub-00", 0.0), ("sub-02", 1.0)):
        with h5py.File(out / f"{name}_run-1.h5") as file:
            assert file["data"].shape == (3, 4, SAMPLES) and set(file["targets"][:]) == {target}
            np.testing.assert_allclose(file["data"][1, 3], 25 * np.sin(2 * np.pi * 5 * times), atol=0.5)
    assert "they have no target: 1: sub-01/eeg/sub-01_task-rest_eeg.edf" in (tmp_path / "assets/inputs.md").read_text()


def test_edf_of_another_rate_is_refused_by_name_unless_it_may_be_resampled(tmp_path: Path) -> None:
    mine = bids(tmp_path / "in", [100, 250, 250])
    mine.settings.data.recorded.resample = False
    with pytest.raises(UserError, match=r"250 Hz, where .* says 100; set settings.data.recorded.resample: true \(2: "):
        generated(mine, tmp_path, 1)
    mine.settings.data.recorded.target = "p_factor"
    with pytest.raises(UserError, match="name the column to predict, of: participant_id, externalizing"):
        generated(mine, tmp_path, 1)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (b"participant_id\tage\nsub-00\t1e999\n", "age of sub-00 is '1e999', not a number"),
        (b"participant_id\tage\nsub-00\t-inf\n", "age of sub-00 is '-inf', not a number"),
        (b"participant_id\tage\nsub-00\t\xff\n", "not a table with tabs, in UTF-8"),
        (b"participant_id\tage\nsub-00\t" + bytes(200_000).replace(b"\0", b"9"), "not a table with tabs"),
    ],
)
def test_a_table_of_people_that_cannot_be_used_is_named(tmp_path: Path, table: bytes, told: str) -> None:
    (tmp_path / "participants.tsv").write_bytes(table)
    with pytest.raises(UserError, match=told):
        _people(tmp_path, "age")


def test_subjects_that_differ_by_other_signs_alone_overwrite_no_file() -> None:
    sources = [Source(Path("in.h5"), name, (0,), 0.0) for name in ("J\u00f6rg", "J\u00fcrg", "J\u00fcrg")]
    assert [file_name(sources, index) for index in range(3)] == [("sub-J-rg", 1), ("sub-J-rg", 2), ("sub-J-rg", 3)]
