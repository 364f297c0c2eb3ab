"""Patches: where they lie, what they hold, and on which side of the split."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.vqgan3d.data import CTDataModule, Patches, example_batch, mean_volume, patch_corners, split
from experiments.vqgan3d.experiment import VQGAN3D
from experiments.vqgan3d.generate import write_volume
from experiments.vqgan3d.scans import in_hu, normalised
from experiments.vqgan3d.settings import PatchSettings
from gonogo.base.errors import UserError
from gonogo.config.experiment import Training
from gonogo.config.load import load
from gonogo.experiment.load import load_experiment
from tests.conftest import ROOT
from tests.experiments.vqgan3d.volumes import SHAPE, small, write_phantoms


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantoms(tmp_path_factory.mktemp("data"), range(6))


def data(folder: Path, **patches: object) -> CTDataModule:
    settings = small(patches=patches).patches
    return CTDataModule(settings, Training(micro_batch_size=4), [folder], 0, 0.2)


def test_flooring_leaves_a_third_of_the_voxels_out() -> None:
    full = PatchSettings(size=(256, 256, 128), stride=(192, 192, 96), tail_anchored=False)
    assert len(patch_corners((512, 512, 604), full)) == 20
    assert len(patch_corners((512, 512, 604), full.model_copy(update={"tail_anchored": True}))) == 54


def test_every_voxel_lies_in_a_patch_where_the_tail_is_anchored() -> None:
    seen = np.zeros(SHAPE, dtype=int)
    for x, y, z in patch_corners(SHAPE, small().patches):
        seen[x : x + 16, y : y + 16, z : z + 16] += 1
    assert (seen > 0).all()


def test_forty_two_volumes_are_split_into_33_and_9() -> None:
    volumes = [Path(f"volume_{index:04d}.nii.gz") for index in range(42)]
    train, held_out = split(volumes, 0, 0.2)
    assert (len(train), len(held_out)) == (33, 9)
    assert set(train).isdisjoint(held_out) and sorted([*train, *held_out]) == volumes
    assert split(volumes, 0, 0.2)[1] == held_out != split(volumes, 1, 0.2)[1]


def test_no_subject_is_on_both_sides() -> None:
    volumes = [Path(f"volume_{index:04d}_sub-{index // 3:02d}_ct.nii.gz") for index in range(30)]
    train, held_out = split(volumes, 0, 0.2)
    assert {path.name[12:18] for path in train}.isdisjoint({path.name[12:18] for path in held_out})
    assert len(held_out) == 6


def test_groups_of_the_contract_are_the_volumes(folder: Path) -> None:
    settings = load({"experiments": "vqgan3d"}, ROOT)
    experiment = load_experiment("vqgan3d", settings.experiments["vqgan3d"], ROOT)
    module = data(folder)
    sides = [
        {group for batch in loader for group in experiment.groups(batch) or ()}
        for loader in (module.train_dataloader(), module.val_dataloader())
    ]
    assert sides[0].isdisjoint(sides[1]) and len(sides[0]) == 4 and len(sides[1]) == 2


def test_a_batch_is_what_the_memory_trace_was_given(folder: Path) -> None:
    batch = next(iter(data(folder).train_dataloader()))
    example = example_batch(small().patches, 4)
    assert batch.keys() == example.keys()
    assert all(batch[key].shape == example[key].shape for key in ("input", "target"))
    assert batch["input"].dtype == torch.float32 and batch["input"].min() >= -1 and batch["input"].max() <= 1
    assert torch.equal(batch["input"], batch["target"])


def test_hounsfield_units_are_scaled_and_back() -> None:
    hu = torch.tensor([-2000.0, -1000, 0, 40, 1000, 3000])
    values = normalised(hu, (-1000, 1000))
    assert values.tolist() == pytest.approx([-1, -1, 0, 0.04, 1, 1])
    assert in_hu(values, (-1000, 1000)).tolist() == pytest.approx([-1000, -1000, 0, 40, 1000, 1000], abs=1e-3)


def test_the_mean_volume_is_that_of_the_training_volumes(folder: Path) -> None:
    patches = Patches(data(folder).train_volumes, small().patches)
    mean = mean_volume(patches, (-1000, 1000))
    expected = torch.stack([normalised(voxels, (-1000, 1000)) for voxels in patches.voxels]).mean(0)
    assert torch.allclose(mean[0, 0], expected, atol=1e-5)


def test_what_is_wrong_with_the_volumes_is_named(tmp_path: Path) -> None:
    write_volume(tmp_path / "a.nii.gz", np.zeros((20, 20, 12)), np.eye(4))
    with pytest.raises(UserError, match="1 volumes; at least two are needed"):
        data(tmp_path)
    write_volume(tmp_path / "b.nii.gz", np.zeros((20, 20, 12)), np.eye(4))
    with pytest.raises(UserError, match=r"\.nii\.gz: \(20, 20, 12\) voxels, smaller than a patch"):
        data(tmp_path).train_dataloader()
    write_volume(tmp_path / "more/a.nii.gz", np.zeros((20, 20, 12)), np.eye(4))
    with pytest.raises(UserError, match=r"a\.nii\.gz occurs twice"):
        data(tmp_path)


def test_gate_and_training_see_the_same_patches() -> None:
    config = load({"experiments": "vqgan3d"}, ROOT).experiments["vqgan3d"]
    changed = config.model_copy(update={"gates": {"quality": {"volumes": {"stride": [32, 32, 16]}}}})
    with pytest.raises(
        UserError, match=r"gates.quality.volumes.stride is .* settings.patches.stride is .* give both the same value"
    ):
        VQGAN3D("vqgan3d", changed, ROOT)


def test_a_stride_longer_than_the_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves gaps"):
        PatchSettings(size=(16, 16, 16), stride=(20, 16, 16))


def test_a_missing_extra_is_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load({"experiments": "vqgan3d"}, ROOT).experiments["vqgan3d"]
    experiment = load_experiment("vqgan3d", config, ROOT)
    experiment.check_packages()
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "monai" else found(name))
    with pytest.raises(UserError, match=r"vqgan3d needs the package 'monai'.*pip install 'gonogo\[ct\]'"):
        experiment.check_packages()
