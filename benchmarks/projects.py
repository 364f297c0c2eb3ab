"""The six public projects of benchmarks/chain_projects.py: their data, the lines that a user writes, and faults.

The projects are those of benchmarks/public_scripts.py; nothing of them is kept here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from public_scripts import (
    SCRIPTS,
    Data,
    PublicScript,
    characters,
    diffusion_script,
    digits,
    wikitext,
)  # fmt: skip

COLOURS = ((200, 60, 50), (60, 170, 70), (60, 90, 210), (220, 190, 50))  # of classes
SIDE = 96
IDX_IMAGES, IDX_LABELS = 16, 8  # bytes of a header
BABY_GPT = "config/train_shakespeare_char.py"
SMALLER_GPT = "--n_layer=4 --n_head=4 --n_embd=128 --block_size=64 --batch_size=8 --eval_interval=8 --eval_iters=2"
SOME_RATE = "training: {learning_rate: 1.0e-3}"
UNSTABLE = ("stability", "one_batch", "finite", "loss_falls")
STATEMENT = (r"^  statement: ''.*$", "  statement: Better than the published baseline.")


@dataclass(frozen=True)
class Fault:
    """Attributes:
    put: changes the copy.
    cause: word that the verdict must name.
    checks: ids of checks, of which one must be the first that fails.
    """

    put: Callable[[Path], None]
    cause: str
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """Attributes:
    make_data: writes it into the copy, as the project's own preparation leaves it.
    edits: pattern of a line that `gonogo init` wrote → what a user writes there.
    """

    name: str
    script: PublicScript
    make_data: Data
    edits: tuple[tuple[str, str], ...]
    faults: dict[str, Fault] = field(default_factory=dict)


def script(name: str) -> PublicScript:
    return next(one for one in SCRIPTS if one.name == name)


# --- data ---


def scene(rng: np.random.Generator, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A picture (SIDE, SIDE, 3) of an object in this colour on a ground with a touch of it, and where the object is."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    ground = 0.35 * np.array(colour) + rng.uniform(30, 110, 3)
    for _ in range(3):
        angle, waves, phase = rng.uniform(0, np.pi), rng.uniform(0.5, 4), rng.uniform(0, 2 * np.pi)
        slope = np.cos(angle) * columns + np.sin(angle) * rows
        ground = ground + rng.uniform(8, 22) * np.cos(2 * np.pi * waves * slope + phase)[..., None]
    (top, left), (high, wide) = rng.uniform(0.05, 0.5, 2), rng.uniform(0.25, 0.45, 2)
    down, right = (rows - top) / high, (columns - left) / wide
    if rng.random() < 0.5:
        inside = (np.abs(down - 0.5) < 0.5) & (np.abs(right - 0.5) < 0.5)
    else:
        inside = (down - 0.5) ** 2 + (right - 0.5) ** 2 < 0.25
    picture = np.where(inside[..., None], np.array(colour) + 25 * np.sin(40 * rows * columns)[..., None], ground)
    return (picture + rng.normal(0, 8, picture.shape)).clip(0, 255).astype(np.uint8), inside


def classes(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 40), ("val", 10)):
        for number, colour in enumerate(COLOURS):
            target = folder / "imagenet/pictures" / split / f"class{number}"
            target.mkdir(parents=True)
            for index in range(count):
                Image.fromarray(scene(rng, colour)[0]).save(target / f"{index:03d}.jpg", quality=92)


def pictures_with_masks(folder: Path) -> None:
    rng = np.random.default_rng(1)
    for name in ("imgs", "masks"):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
    for number in range(80):
        picture, inside = scene(rng, COLOURS[number % 4])
        Image.fromarray(picture).save(folder / f"data/imgs/{number:03d}.jpg", quality=92)
        Image.fromarray(inside).save(folder / f"data/masks/{number:03d}_mask.gif")


def tokens(folder: Path) -> None:
    """With the text beside it, which prepare.py downloads and leaves there."""
    characters(folder)
    target = folder / "data/shakespeare_char"
    (target / "input.txt").write_text("".join(chr(97 + n % 26) for n in np.fromfile(target / "val.bin", np.uint16)))


def pictures_and_script(folder: Path) -> None:
    diffusion_script(folder)
    rng = np.random.default_rng(2)
    for number, path in enumerate(sorted((folder / "pictures").iterdir())):
        Image.fromarray(scene(rng, COLOURS[number % 4])[0]).save(path)


# --- faults ---


def black(place: str) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        for path in (folder / place).rglob("[!.]*.*"):
            Image.new("RGB", (SIDE, SIDE)).save(path)

    return put


def black_digits(folder: Path) -> None:
    for path in (folder / "data").rglob("*images*ubyte"):
        content = path.read_bytes()
        path.write_bytes(content[:IDX_IMAGES] + bytes(len(content) - IDX_IMAGES))


def wrong_digits(folder: Path) -> None:
    for path in (folder / "data").rglob("*labels*ubyte"):
        content = path.read_bytes()
        labels = np.random.default_rng(5).permutation(np.frombuffer(content[IDX_LABELS:], np.uint8))
        path.write_bytes(content[:IDX_LABELS] + labels.tobytes())


def wrong_classes(folder: Path) -> None:
    for split in (folder / "imagenet/pictures").iterdir():
        files = sorted(split.rglob("*.jpg"))
        for path, content in zip(files, shuffled([path.read_bytes() for path in files]), strict=True):
            path.write_bytes(content)


def wrong_masks(folder: Path) -> None:
    files = sorted((folder / "data/masks").glob("*_mask.gif"))
    for path, content in zip(files, shuffled([path.read_bytes() for path in files]), strict=True):
        path.write_bytes(content)


def shuffled(contents: list[bytes]) -> list[bytes]:
    return [contents[index] for index in np.random.default_rng(5).permutation(len(contents))]


def replaced(pattern: str, old: str, new: str) -> Callable[[Path], None]:
    """In the copy's file of this pattern."""

    def put(folder: Path) -> None:
        (path,) = folder.glob(pattern)
        text = path.read_text()
        assert old in text, f"{path}: no {old!r} in\n{text}"
        path.write_text(text.replace(old, new))

    return put


def rate(old: str, new: str, folder: str = ".") -> Fault:
    """The learning rate, where the user wrote it."""
    put = replaced(f"{folder}/config/experiments/*.yaml".removeprefix("./"), old, new)
    return Fault(put, "DIVERGING", UNSTABLE)


LIGHT = ("light", "set_brightness")
PROJECTS = [
    Project(
        "nanoGPT", script("nanoGPT"), tokens,
        (
            (r"^  train: .*$", f"  train: python train.py {BABY_GPT} --learning_rate={{learning_rate}}"),
            STATEMENT,
            (r"^modes:", f"{SOME_RATE}\nsmoke: {{arguments: {SMALLER_GPT}}}\nmodes:"),
        ),
        {"learning rate x 100": rate("1.0e-3", "0.1")},
    ),
    Project(
        "lightning-hydra-template", script("lightning-hydra-template"), digits("data"),
        (
            (r"^  train: .*$", "  train: python src/train.py trainer=gpu model.optimizer.lr={learning_rate}"),
            STATEMENT,
            (r"^modes:", f"{SOME_RATE}\nsmoke: {{steps: 60, arguments: data.batch_size=32}}\nmodes:"),
        ),
        {
            "wrong labels": Fault(wrong_digits, "DATA", ("pairing",)),
            "learning rate x 10,000": rate("1.0e-3", "10.0"),
            "black pictures": Fault(black_digits, "DATA", ("inputs_vary",)),
        },
    ),
    Project(
        "examples word_language_model", script("examples word_language_model, LSTM"),
        lambda folder: wikitext(folder / "word_language_model"),
        (
            (r"--seed \{seed\}$", "--seed {seed} --accel"),
            STATEMENT,
            (r"^modes:", "smoke: {steps: 60, arguments: --emsize 32 --nhid 32 --bptt 12}\nmodes:"),
        ),
        {"learning rate x 100": rate("learning_rate: 20 ", "learning_rate: 2000 ", "word_language_model")},
    ),
    Project(
        "Pytorch-UNet", script("Pytorch-UNet"), pictures_with_masks,
        (
            (r"^  train: python train.py", "  train: python train.py --amp"),
            STATEMENT,
            (r"^  micro_batch_size: .*$", "  micro_batch_size: 4"),
            (r"^modes:", "smoke: {steps: 40, arguments: --batch-size 2 --scale 0.25}\nmodes:"),
        ),
        {
            "shuffled masks": Fault(wrong_masks, "DATA", ("pairing",)),
            "learning rate x 100,000": rate("learning_rate: 1e-05", "learning_rate: 1.0"),
            "black pictures": Fault(black("data/imgs"), "DATA", LIGHT),
        },
    ),
    Project(
        "examples imagenet", script("examples imagenet"), classes,
        (
            (r"^  train: python main.py", "  train: python main.py -a resnet18"),
            STATEMENT,
            (r"^  micro_batch_size: .*$", "  micro_batch_size: 32"),
            (r"^modes:", "smoke: {steps: 40, arguments: -a shufflenet_v2_x0_5 -b 8}\nmodes:"),
        ),
        {
            "wrong labels": Fault(wrong_classes, "DATA", ("pairing",)),
            "learning rate x 100": rate("learning_rate: 0.1 ", "learning_rate: 10 ", "imagenet"),
            "black pictures": Fault(black("imagenet/pictures"), "DATA", LIGHT),
        },
    ),
    Project(
        "denoising-diffusion-pytorch", script("denoising-diffusion-pytorch"), pictures_and_script,
        (
            (r"^  train: .*$", "  train: python train_pictures.py"),
            STATEMENT,
            (r"^modes:", "smoke: {steps: 40, arguments: 16 16}\nmodes:"),
        ),
        {
            "learning rate x 1,000": Fault(
                replaced("train_pictures.py", "8e-5", "8e-2"), "DIVERGING", UNSTABLE
            ),
            "black pictures": Fault(black("pictures"), "DATA", LIGHT),
        },
    ),
]  # fmt: skip
