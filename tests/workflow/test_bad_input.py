"""A user's mistake ends with one message that says how to fix it, and leaves nothing half written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.waiting import LIMIT_S
from tests.workflow.conftest import Site


def refused(site: Site, *arguments: str) -> str:
    done = site.run(*arguments, timeout_s=900)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


def tiny(site: Site, **changes: object) -> None:
    path = site.folder / "config/experiments/tiny.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def test_config_errors_end_before_anything_starts(fresh: Site) -> None:
    assert "did you mean 'experiments'" in refused(fresh, "--config", "experimnts=cvs")
    assert "did you mean 'cvs'" in refused(fresh, "--config", "experiments=cvz")
    assert "'twenty' is wrong" in refused(fresh, "--config", "budget_usd=twenty")
    tiny(fresh, settings={"data": {"image_size": "large"}})
    assert "settings.data.image_size: 'large' is wrong" in refused(fresh, "--config", "experiments=tiny")
    assert not (fresh.folder / "results").exists()


def test_inputs_that_cannot_be_used(fresh: Site) -> None:
    pictures = fresh.folder / "pictures"
    tiny(fresh, inputs="pictures")
    assert "pictures" in refused(fresh, "--config", "experiments=tiny")
    pictures.mkdir()
    assert "pictures" in refused(fresh, "--config", "experiments=tiny")
    (pictures / "half.png").write_bytes(
        (fresh.folder / "resources/photographs").joinpath("chelsea.jpg").read_bytes()[:400]
    )
    said = refused(fresh, "--config", "experiments=tiny")
    assert "half.png" in said
    assert not (fresh.folder / "results/tiny/assets").exists()


def test_one_truncated_picture_does_not_stop_the_others(fresh: Site) -> None:
    pictures = fresh.folder / "pictures"
    pictures.mkdir()
    photographs = fresh.folder / "resources/photographs"
    for name in ("chelsea.jpg", "coffee.jpg", "china.jpg"):
        Image.open(photographs / name).save(pictures / name)
    (pictures / "half.jpg").write_bytes((photographs / "chelsea.jpg").read_bytes()[:400])
    tiny(fresh, inputs="pictures")
    done = fresh.run("results/tiny/sample/shard_0", "--config", "experiments=tiny", timeout_s=900)
    assert done.returncode == 0 and "half.jpg" in done.stderr
    assert len(list((fresh.folder / "results/tiny/sample/shard_0").glob("image_*"))) == 10


def test_a_missing_package_is_named_with_its_extra(fresh: Site) -> None:
    tiny(fresh, settings={"model": {"token_model": "dinov2.onnx"}, "data": {"depth_model": "nowhere.onnx"}})
    said = refused(fresh, "--config", "experiments=tiny")
    assert "nowhere.onnx" in said and "depth_model" in said


def test_an_unwritable_results_folder(fresh: Site) -> None:
    assert "/proc/nowhere" in refused(fresh, "--config", "experiments=tiny", "results_dir=/proc/nowhere")
    (fresh.folder / "taken").write_text("a file")
    assert "taken" in refused(fresh, "--config", "experiments=tiny", "results_dir=taken")


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A disk of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False, timeout=LIMIT_S).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=LIMIT_S)


def test_a_full_disk(fresh: Site, small_disk: Path) -> None:
    said = refused(fresh, "--config", "experiments=tiny", f"results_dir={small_disk}")
    assert "the disk is full" in said and "nothing half written was kept" in said
    assert not list((small_disk / "tiny/sample").glob("shard_*"))
    assert not list(small_disk.rglob(".shard_0-*"))
