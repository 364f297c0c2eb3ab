from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from gonogo.experiment.script_options import options_of
from gonogo.project.data_folders import DataFolder, find_data
from gonogo.project.look import look_around
from gonogo.project.pages import pages
from gonogo.project.training_scripts import find_scripts
from tests.project.conftest import TRAIN, fill


def test_everything_in_a_strangers_repository_is_found(repository: Path) -> None:
    found = look_around(repository)
    assert found.name == "my_flowers" and found.environment == "requirements.txt" and found.tracked == 4
    assert found.data == [DataFolder(Path("data/flowers"), 75, "images", ".jpg", ("train", "val"), 3)]
    script = found.script
    assert script is not None and script.path == Path("train.py") and len(found.scripts) == 1
    assert script.command == (
        "python train.py {data} --output-dir {out} --epochs {epochs} --batch-size {micro_batch_size} "
        "--lr {learning_rate}"
    )
    assert script.resume_words == "--resume {checkpoint}" and script.others == ()
    assert [script.default(key) for key in ("epochs", "micro_batch_size", "learning_rate", "data")] == [
        12, 32, 0.01, None,
    ]  # fmt: skip


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    found = look_around(tmp_path)
    assert (found.data, found.scripts, found.environment, found.tracked) == ([], [], "", None)


# --- data ---


def test_two_sets_are_two_and_class_folders_are_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fill(tmp_path / "data/letters" / name, 10, ".png")
    for split in ("train", "test"):
        fill(tmp_path / "data/other" / split / "x", 10, ".png")
    assert [(str(one.path), one.files, one.classes) for one in find_data(tmp_path)] == [
        ("data/letters", 20, 2), ("data/other", 20, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "kind"), [((8, 3), "series"), ((500, 3), "points"), ((4, 2000), "series"), ((16, 16, 16), "volumes"),
                        ((32, 32, 3), "images")]
)  # fmt: skip
def test_arrays_are_told_by_their_shape(shape: tuple[int, ...], kind: str, tmp_path: Path) -> None:
    fill(tmp_path / "data", 9, ".npy")
    for file in (tmp_path / "data").iterdir():
        np.save(file, np.zeros(shape, np.float32))
    (found,) = find_data(tmp_path)
    assert found.kind == (kind if shape != (8, 3) else "points")


def test_pictures_come_before_the_labels_beside_them(tmp_path: Path) -> None:
    fill(tmp_path / "yolo/images", 12)
    fill(tmp_path / "yolo/labels", 12, ".txt")
    (found, *_) = find_data(tmp_path)
    assert (found.path, found.kind) == (Path("yolo/images"), "images")


def test_what_no_inspector_reads_is_named_all_the_same(tmp_path: Path) -> None:
    fill(tmp_path / "data/tokens", 2, ".bin")
    fill(tmp_path / "docs/pictures", 30, ".png")  # of the documentation
    fill(tmp_path / ".venv/lib", 30, ".png")
    (tmp_path / "env").mkdir()
    (tmp_path / "env/pyvenv.cfg").write_text("")
    fill(tmp_path / "env/lib", 30, ".png")
    assert find_data(tmp_path) == [DataFolder(Path("data/tokens"), 2, "", ".bin")]


# --- scripts ---


def test_a_script_is_found_among_many_files_of_data(repository: Path) -> None:
    fill(repository / "data/flowers/test", 600)
    assert look_around(repository).script is not None


def test_a_library_and_a_test_are_no_scripts(tmp_path: Path) -> None:
    body = "import torch\n\n\ndef train(model, loss):\n    torch.optim.SGD(model)\n    loss.backward()\n"
    (tmp_path / "library.py").write_text(body)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_train.py").write_text(TRAIN)
    (tmp_path / "evaluate.py").write_text("import torch\nif __name__ == '__main__':\n    print()\n")
    assert find_scripts(tmp_path) == []
    (tmp_path / "run.py").write_text(body + "\n\nfor epoch in range(3):\n    train(1, 2)\n")
    (tmp_path / "train_gan.py").write_text(TRAIN)
    assert [str(script.path) for script in find_scripts(tmp_path)] == ["train_gan.py", "run.py"]


def test_options_of_click_and_what_a_script_requires(tmp_path: Path) -> None:
    source = (
        "@click.command()\n@click.option('--data-dir', required=True)\n@click.option('--steps', default=5)\n"
        "@click.option('--quiet', is_flag=True)\n@click.option('--arch', required=True)\n"
        "def main(): ...\n\nif __name__ == '__main__':\n    loss.backward()\n    torch.optim.SGD(main())\n"
    )
    assert [option.name for option in options_of(source)] == ["data_dir", "steps", "arch"]
    (tmp_path / "main.py").write_text(source)
    (script,) = find_scripts(tmp_path)
    assert script.command == "python main.py --arch TODO --data-dir {data}"
    assert [option.name for option in script.others] == ["arch"]
    assert options_of("def broken(:") == []


@pytest.mark.parametrize(
    ("names", "path", "said"),
    [
        (("data/tokens/train.bin", "data/tokens/val.bin", "data/tokens/input.txt"), "data/tokens", "2 .bin"),
        (("data/MNIST/raw/t10k-images-idx3-ubyte", "data/MNIST/raw/t10k-labels-idx1-ubyte"), "data/MNIST/raw", "2 -ub"),
    ],
)
def test_data_that_no_inspector_reads_goes_through_the_chain_as_files(
    names: tuple[str, ...], path: str, said: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"tokens")
    project = look_around(tmp_path)
    page = pages(project)[f"config/experiments/{project.name}.yaml"]
    assert f"\ndata: {path} " in page and "\nkind: files " in page
    assert said in page and "; no inspector reads what is in them" in page


def test_pictures_and_their_masks_are_one_set(tmp_path: Path) -> None:
    fill(tmp_path / "data/imgs", 9, ".jpg")
    fill(tmp_path / "data/masks", 9, ".gif")
    assert look_around(tmp_path).data_set == DataFolder(Path("data"), 18, "images", ".jpg", (), 2)


@pytest.mark.parametrize(
    ("head", "name", "usual"),
    [
        ("import hydra\n@hydra.main(config_path='conf')\n", "Hydra", "trainer.max_epochs={epochs}"),
        ("from transformers import HfArgumentParser\n", "HfArgumentParser", "--num_train_epochs {epochs}"),
        ("from lightning.pytorch.cli import LightningCLI\nLightningCLI()\n", "LightningCLI", "fit --trainer.default"),
        ("import argparse\n", "", ""),
    ],
)
def test_parsers_other_than_argparse_are_named_with_their_usual_options(
    tmp_path: Path, head: str, name: str, usual: str
) -> None:
    body = "def main():\n    optimizer = torch.optim.SGD([], 0.1)\n    loss.backward()\n"
    (tmp_path / "train.py").write_text(f"import torch\n{head}{body}\nif __name__ == '__main__':\n    main()\n")
    found = look_around(tmp_path)
    (page,) = [text for path, text in pages(found).items() if "experiments/" in path]
    assert (f"# {name} reads the options of train.py" in page) == bool(name) and usual in page
    assert ("append those that it has" in page) == bool(name)
    command = yaml.safe_load(page)["command"]["train"]
    assert command == "python train.py"
