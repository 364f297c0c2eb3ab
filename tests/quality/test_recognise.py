"""Which kinds a folder holds, and one verdict about all of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from gonogo.base.errors import UserError
from gonogo.quality.inspect import inspect
from gonogo.quality.recognise import recognised
from gonogo.verdict import Status
from tests.quality.picture_files import crops, write


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (["a/1.png", "a/2.JPG", "labels.csv", "a/1.txt", "README.md"], ["images"]),
        (["image_0000/input.png", "image_0000/view_000/rgb.png", "image_0000/view_000/pose.json"], ["views"]),
        (["imagesTr/a.nii.gz", "labelsTr/a.nii.gz", "dataset.json"], ["volumes"]),
        (["scan/1.dcm", "scan/2.dcm"], ["volumes"]),
        (["sub-01/eeg/a.edf", "participants.tsv", "sub-01/eeg/a.json"], ["series"]),
        (["a.obj", "a.mtl", "a.png"], ["points"]),
        (["train.csv", "test.csv", "README.md"], ["tables"]),
        (["train/data-00000-of-00001.arrow", "train/state.json", "train/dataset_info.json"], ["tables"]),
        (["train-000.tar", "train-001.tar"], ["shards"]),
        (["train.jsonl", "val.jsonl", "meta.csv"], ["text"]),
        (["doc/1.txt", "doc/2.txt"], ["text"]),
        (["images/1.png", "images/2.png", "recordings/1.h5"], ["images", "series"]),
        (["images/1.png", "images/2.png", "articles/1.txt", "articles/2.txt"], ["images", "text"]),
        (["images/1.png", "labels/1.txt", "labels/2.txt"], ["images"]),
    ],
)
def test_kinds_are_told_by_names(tmp_path: Path, names: list[str], kinds: list[str]) -> None:
    assert sorted(one.kind for one in recognised(touch(tmp_path, *names))) == sorted(kinds)


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.zeros((2048, 3), np.float32), "points"),
        (np.zeros((8, 4000)), "series"),
        (np.zeros((40, 8, 256)), "series"),
        (np.zeros((48, 48, 40), np.int16), "volumes"),
        (np.zeros((64, 64, 3), np.uint8), "images"),
        (np.zeros((64, 48, 3), np.float32), "images"),
    ],
)
def test_arrays_are_told_by_their_shape(tmp_path: Path, array: np.ndarray, kind: str) -> None:
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", array)
    (found,) = recognised(tmp_path)
    assert (found.kind, found.why) == (kind, "3 .npy")


def test_what_cannot_be_told_is_said_with_the_likeliest(tmp_path: Path) -> None:
    np.save(touch(tmp_path, "odd/readme.md") / "odd/a.npy", np.zeros((12, 12, 12)))
    with pytest.raises(
        UserError, match=r"arrays such as \(12, 12, 12\), which could be images .*, volumes .* or series"
    ):
        recognised(tmp_path / "odd")
    with pytest.raises(UserError, match=r"It holds 2 \.xyzzy, which no kind but `files` reads .*--kind files$"):
        recognised(touch(tmp_path / "none", "a.xyzzy", "b.xyzzy"))
    with pytest.raises(UserError, match="there is no file in it"):
        recognised(touch(tmp_path / "empty", ".hidden"))


@pytest.mark.parametrize(("name", "said"), [
    ("a.py", r"Text is read from \.jsonl, \.json, \.txt and \.md"),
    ("a.wav", r"Sound in \.wav is not read: .*\.npy \(--kind series\), or spectrograms as \.png \(--kind images"),
    ("a.bin", "--kind points if .bin are clouds"),
])  # fmt: skip
def test_no_kind_is_advised_that_would_refuse_the_folder(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as refused:
        recognised(touch(tmp_path, name))
    assert "--kind text" not in str(refused.value) and "text (" not in str(refused.value)


def test_a_folder_of_two_kinds_gets_one_verdict(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write(data, {f"pictures/{n}.png": picture for n, picture in enumerate(crops(6, 64))})
    (data / "eeg").mkdir()
    for seed in range(6):
        random = np.random.default_rng(seed)
        with h5py.File(data / f"eeg/{seed}.h5", "w") as file:
            steps = random.normal(0, 1, (4, 4002))
            signal = steps[:, 2:] + steps[:, 1:-1] + steps[:, :-2]
            file.create_dataset("data", data=signal, fletcher32=True)
            file.attrs["sfreq"] = 128.0
    found = inspect(data)
    assert found.kinds == ("images: 6 .png", "series: 6 .h5")
    assert found.verdict.status is Status.GO, found.verdict.checks
    assert "images: 6 of 6 files judged; series: 6 of 6 files judged" in found.verdict.summary
    for path in sorted((data / "eeg").iterdir())[1:]:
        path.write_bytes(b"damaged")
    command = [sys.executable, "-m", "gonogo", "inspect", str(data), "--sheet", str(tmp_path / "worst.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("recognised images: 6 .png; series: 6 .h5\n")
    assert "series: Files that can be read" in done.stdout
    assert (tmp_path / "worst-series.png").is_file()
