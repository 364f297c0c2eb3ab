"""The phantoms, user-supplied scans, and the quality gate's verdicts on spoilt ones."""

from __future__ import annotations

import plistlib
import shutil
import tarfile
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml

from experiments.vqgan3d.generate import generate, prepare, write_volume
from experiments.vqgan3d.phantom import phantom
from experiments.vqgan3d.scans import read_scan
from experiments.vqgan3d.settings import ScanSettings
from gonogo.base.errors import UserError
from gonogo.config.load import load
from gonogo.config.quality_thresholds import VolumesGate
from gonogo.experiment.load import load_experiment
from gonogo.quality.judge import judge
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.quality.registry import kind_of
from gonogo.verdict import Check, Status
from tests.conftest import ROOT
from tests.quality.volumes.scans import SPACING, ct
from tests.quality.volumes.test_dicom import write_series

HEAD_CT = Path("/usr/share/doc/invesalius-examples/examples/Cranium.inv3")


def quiet(done: int, total: int) -> None:
    return


def sampled(name: str, folder: Path) -> tuple[dict[str, Check], str]:
    """The shipped configuration's sample, generated and judged; takes seconds, as it does in the workflow."""
    settings = load({"experiments": name}, ROOT)
    experiment = load_experiment(name, settings.experiments[name], ROOT)
    experiment.generate(range(experiment.config.sample_items), folder / "sample", 0, quiet)
    measure_part("volumes", folder / "sample", folder / "measured")
    checks, cause = judge(MeasuredSet.read(folder / "measured"), settings.gates[name].quality, sampled=True)
    return {check.id: check for check in checks}, cause


def test_an_index_gives_the_same_phantom_in_any_company() -> None:
    settings = ScanSettings(shape=(20, 20, 20))
    one, size = phantom(settings, 3, 0)
    phantom(settings, 2, 0)
    again, _ = phantom(settings, 3, 0)
    assert (one == again).all() and one.shape == (20, 20, 20)
    other, other_size = phantom(settings, 4, 0)
    assert np.abs(one - other).mean() > 10 and size != other_size


def test_a_phantom_holds_what_a_chest_holds() -> None:
    hu, size = phantom(ScanSettings(noise_hu=0), 0, 0)
    assert hu.min() == -1000 and 500 < hu.max() <= 700
    for low, high, least in (
        (-1001, -990, 0.4),
        (-900, -750, 0.05),
        (-120, -80, 0.005),
        (30, 50, 0.05),
        (150, 260, 0.003),
    ):
        assert ((hu >= low) & (hu <= high)).mean() > least, (low, high)
    assert 0.9 * 260 / 28 <= size[2] <= 1.1 * 260 / 28


def test_a_volume_comes_back_as_it_was_written(tmp_path: Path) -> None:
    settings = ScanSettings()
    generate(settings, None, [5], tmp_path, 0, quiet)
    hu, affine = read_scan(tmp_path / "volume_0005.nii.gz")
    expected, size = phantom(settings, 5, 0)
    assert np.abs(hu - expected).max() <= 0.5
    assert np.allclose(np.abs(np.diag(affine)[:3]), size, rtol=1e-4)
    assert nibabel.load(tmp_path / "volume_0005.nii.gz").get_data_dtype() == np.int16


def test_the_sample_of_the_default_passes(tmp_path: Path) -> None:
    checks, cause = sampled("vqgan3d", tmp_path)
    assert {id_: check.why for id_, check in checks.items() if not (check.status.passes or check.grey)} == {}
    assert cause == "" and checks["patch_coverage"].value == 100.0


SPOILT = {
    "vqgan3d_hu": {"hounsfield": "the rescale intercept is lost"},
    "vqgan3d_air": {"air": "% air", "patches": "patches are over 95 % air"},
    "vqgan3d_spacing": {"spacing": "lost: 1 × 1 × 1 mm and an identity affine"},
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_volumes_are_stopped_in_seconds(tmp_path: Path, name: str) -> None:
    """By the checks that are meant, and by no other."""
    started = time.process_time()
    checks, cause = sampled(name, tmp_path)
    assert {id_ for id_, check in checks.items() if check.status is Status.NO_GO} == {*SPOILT[name], "bad_items"}
    for id_, told in SPOILT[name].items():
        assert told in checks[id_].why, checks[id_]
    assert cause == "DATA"
    assert time.process_time() - started < 20


# --- user-supplied scans ---


def test_dicom_series_are_volumes_named_after_their_patients(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_series(tmp_path / f"in/study{seed}/axial", seed)
    prepare(ScanSettings(), tmp_path / "in", tmp_path / "assets")
    assert "2 scans, 2 of them DICOM series" in (tmp_path / "assets/inputs.md").read_text()
    generate(ScanSettings(), tmp_path / "in", [0, 1], tmp_path / "out", 0, quiet)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["volume_0000_sub-p1.nii.gz", "volume_0001_sub-p2.nii.gz"]
    hu, affine = read_scan(tmp_path / "out" / names[0])
    assert (hu == ct(1).clip(-1024)).all() and np.allclose(np.diag(affine)[:3], [-SPACING[0], -SPACING[1], SPACING[2]])
    generate(ScanSettings(spacing_mm=(1.6, 1.6, 3.0)), tmp_path / "in", [0], tmp_path / "thin", 0, quiet)
    assert read_scan(tmp_path / "thin" / names[0])[0].shape == (24, 20, 16)


def test_mixed_and_cut_series_are_named_with_counts_and_the_longest_may_be_taken(tmp_path: Path) -> None:
    write_series(tmp_path / "in/good", 1)
    write_series(tmp_path / "in/mixed", 2)
    write_series(tmp_path / "in/mixed", 3, slices=[0, 1, 2], uid=".9")
    for name, seed in (("gap_a", 4), ("gap_b", 5)):
        write_series(tmp_path / f"in/{name}", seed, [at for at in range(32) if not 10 <= at < 16])
    with pytest.raises(UserError) as caught:
        prepare(ScanSettings(), tmp_path / "in", tmp_path / "assets")
    told = str(caught.value)
    assert (
        "3 of 4 scans cannot be used: 6 slices missing, of 26 (2: gap_a, gap_b); 2 series mixed in one folder" in told
    )
    assert "of 32, 3 files: set settings.scans.dicom_series: longest (1: mixed)" in told
    for name in ("gap_a", "gap_b"):
        shutil.rmtree(tmp_path / "in" / name)
    generate(ScanSettings(dicom_series="longest"), tmp_path / "in", [1], tmp_path / "out", 0, quiet)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["volume_0001_sub-p2.nii.gz"]


def test_scans_are_taken_in_the_order_of_their_names_and_turned(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    voxels = rng.integers(-1000, 1000, (20, 22, 24)).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, np.diag([2.0, 2.0, 3.0, 1.0]))  # axes to the right, the front, the head
    (tmp_path / "in/deep").mkdir(parents=True)
    nibabel.save(image, tmp_path / "in/deep/sub-02_ct.nii.gz")
    nibabel.save(image, tmp_path / "in/sub-01_ct.nii")
    generate(ScanSettings(), tmp_path / "in", [0, 1], tmp_path / "out", 0, quiet)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["volume_0000_sub-02_ct.nii.gz", "volume_0001_sub-01_ct.nii.gz"]
    hu, affine = read_scan(tmp_path / "out" / names[0])
    assert (hu == voxels[::-1, ::-1]).all() and np.allclose(np.diag(affine)[:3], [-2, -2, 3])


def test_scans_are_resampled_where_a_voxel_size_is_set(tmp_path: Path) -> None:
    write_volume(tmp_path / "in/a.nii.gz", np.zeros((20, 20, 10)), np.diag([-1.0, -1.0, 2.0, 1.0]))
    hu, affine = read_scan(tmp_path / "in/a.nii.gz", (2.0, 2.0, 2.0))
    assert hu.shape in ((10, 10, 10), (11, 11, 10))
    assert np.allclose(np.abs(np.diag(affine)[:3]), 2)


def test_what_is_wrong_with_the_inputs_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no volume here \(\.nii, \.nii\.gz"):
        generate(ScanSettings(), tmp_path, [0], tmp_path / "out", 0, quiet)
    write_volume(tmp_path / "a.nii.gz", np.zeros((20, 20, 20)), np.eye(4))
    with pytest.raises(UserError, match="1 scans; number 2 was requested: set `dataset_items: 1`"):
        generate(ScanSettings(), tmp_path, [0, 1], tmp_path / "out", 0, quiet)
    (tmp_path / "bad.nii.gz").write_bytes(b"no gzip")
    with pytest.raises(UserError, match=r"bad\.nii\.gz: cannot be read as a volume"):
        read_scan(tmp_path / "bad.nii.gz")


def head_ct(folder: Path) -> Path:
    """The head CT that Debian's `invesalius-examples` ships, as NIfTI: 108 slices of 256 × 256, int16 HU."""
    with tarfile.open(HEAD_CT) as archive:
        members = [member for member in archive if member.isfile()]
        found = {Path(member.name).name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
    plist = plistlib.loads(found["main.plist"])
    matrix, spacing = plist["matrix"], plist["spacing"]
    stored = np.frombuffer(found[matrix["filename"]], matrix["dtype"]).reshape(matrix["shape"])
    write_volume(
        folder / "sub-01_head.nii.gz", stored.T.astype(np.float32), np.diag([-spacing[0], -spacing[1], spacing[2], 1])
    )
    return folder


@pytest.mark.skipif(not HEAD_CT.exists(), reason="Debian's package invesalius-examples is not installed")
def test_a_real_head_ct_passes_with_the_patches_that_are_written_for_own_scans(tmp_path: Path) -> None:
    written = (ROOT / "experiments/vqgan3d/README.md").read_text().split("config/experiments/my_ct.yaml\n")[1]
    patches = yaml.safe_load(written.split("```")[0])["gates"]["quality"]["volumes"]
    gate = load({"experiments": "vqgan3d"}, ROOT).gates["vqgan3d"].quality
    gate = gate.model_copy(update={"volumes": VolumesGate(**patches)})
    generate(ScanSettings(), head_ct(tmp_path / "in"), [0], tmp_path / "out", 0, quiet)
    measure_part(kind_of("volumes").configured(gate), tmp_path / "out", tmp_path / "measured")
    checks, _ = judge(MeasuredSet.read(tmp_path / "measured"), gate, sampled=True)
    doubtful = {check.id: check.why for check in checks if check.status is not Status.GO and not check.grey}
    assert list(doubtful) == ["bad_items"] and "none of 1 volumes is bad" in doubtful["bad_items"]  # one is no sample
