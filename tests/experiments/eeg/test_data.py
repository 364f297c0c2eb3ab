"""Batches, and a split that keeps each subject on one side."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from experiments.eeg.data import SCALE_UV, example_batch, split, subject_of
from gonogo.base.digests import folder_digest
from gonogo.base.errors import UserError
from gonogo.learning.data_summary import sample_data
from tests.experiments.eeg.recordings import experiment, generate


def test_generation_is_the_same_in_any_company(tmp_path: Path) -> None:
    own = experiment()
    own.generate(range(4), tmp_path / "all", 0, lambda done, total: None)
    own.generate([2, 3], tmp_path / "two", 0, lambda done, total: None)
    for path in (tmp_path / "two").iterdir():
        assert path.read_bytes() == (tmp_path / "all" / path.name).read_bytes()
    assert [path.name for path in sorted((tmp_path / "two").iterdir())] == ["sub-0001_run-1.h5", "sub-0001_run-2.h5"]
    own.generate(range(4), tmp_path / "again", 0, lambda done, total: None)
    assert folder_digest(tmp_path / "all") == folder_digest(tmp_path / "again")


@pytest.mark.parametrize("seed", range(5))
def test_no_subject_is_on_both_sides(seed: int) -> None:
    files = [Path(f"sub-{number:04d}_run-{run}.h5") for number in range(9) for run in (1, 2)]
    train, held_out = split(files, "subject", seed, 0.2)
    assert sorted(train + held_out) == files and len(held_out) == 4
    assert not set(map(subject_of, train)) & set(map(subject_of, held_out))
    assert split(files, "subject", seed, 0.2) == (train, held_out)


def test_the_leakage_test_passes_a_split_by_subject_and_names_one_by_recording(tmp_path: Path) -> None:
    for by, leaked in (("subject", 0), ("recording", 4)):
        own = experiment({"split": by})
        data = own.datamodule(own.config.training, [generate(own, tmp_path / by, 24)], 0)
        look = sample_data(own, data).summary
        assert (look.shared_group_count > 0) == (leaked > 0), look.shared_groups
        assert look.exact_copies == 0


def test_batches_are_windows_beside_their_targets(tmp_path: Path) -> None:
    own = experiment()
    data = own.datamodule(own.config.training, [generate(own, tmp_path)], 0)
    batch = next(iter(data.val_dataloader()))
    assert batch["windows"].shape == (8, 4, 64) and batch["target"].shape == (8, 1)
    assert batch["windows"].dtype == batch["target"].dtype == torch.float32
    assert own.groups(batch) == batch["subject"] and len(set(batch["subject"])) == 1
    windows = data.windows(data.train_files)
    with h5py.File(data.train_files[1]) as file:
        assert np.allclose(windows[5]["windows"].numpy() * SCALE_UV, file["data"][1])
        assert float(windows[5]["target"]) == file["targets"][1]
    assert not own.without_input(batch)["windows"].any() and own.inputs(batch).any()
    example = example_batch(own.settings.data, 3)
    assert {key: value.shape[1:] for key, value in example.items()} == {
        key: batch[key].shape[1:] for key in ("windows", "target")
    }


def test_workers_open_files_of_their_own_and_give_the_same_batches(tmp_path: Path) -> None:
    own = experiment()
    generate(own, tmp_path)

    def batches(workers: int) -> list[torch.Tensor]:
        training = own.config.training.model_copy(update={"num_workers": workers, "micro_batch_size": 4})
        data = own.datamodule(training, [tmp_path], 0)
        assert data.windows(data.train_files)[0]["windows"].any()
        return [batch["windows"] for batch in data.train_dataloader()]

    alone, in_workers = batches(0), batches(2)
    assert len(alone) == 10 and all(map(torch.equal, alone, in_workers))


def test_a_dataset_travels_without_its_open_files(tmp_path: Path) -> None:
    own = experiment()
    generate(own, tmp_path)
    data = own.datamodule(own.config.training, [tmp_path], 0)
    windows = data.windows(data.train_files)
    first = windows[0]["windows"]
    assert torch.equal(pickle.loads(pickle.dumps(windows))[0]["windows"], first)


def test_too_few_recordings_are_named(tmp_path: Path) -> None:
    own = experiment()
    with pytest.raises(UserError, match="1 recordings"):
        own.datamodule(own.config.training, [generate(own, tmp_path, 1)], 0)
