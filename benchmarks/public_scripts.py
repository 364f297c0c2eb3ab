"""Training scripts of public repositories, at fixed commits, and small data in the layout that each reads.

Nothing of them is kept here: a checkout is named on the command line of benchmarks/scripts.py.
"""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)
Data = Callable[[Path], None]


@dataclass(frozen=True)
class PublicScript:
    """One script, as its README says to run it.

    Attributes:
        words: what follows `gonogo check … --`.
        rehearse: arguments appended for the pass on the processor, so that a step takes seconds there.
        make_data: writes what the script reads, into the checkout's copy.
        folder: in the checkout, from which it is run.
        needs: packages beside torch.
    """

    name: str
    repository: str
    commit: str
    words: str
    make_data: Data = field(default=lambda folder: None)
    rehearse: str = ""
    folder: str = "."
    needs: tuple[str, ...] = ()


def characters(folder: Path) -> None:
    """Text of a small vocabulary with structure to learn, as nanoGPT's prepare.py leaves it."""
    text = _text(400_000)
    letters = sorted(set(text))
    number = {letter: index for index, letter in enumerate(letters)}
    ids = np.array([number[letter] for letter in text], dtype=np.uint16)
    target = folder / "data/shakespeare_char"
    target.mkdir(parents=True, exist_ok=True)
    ids[: len(ids) * 9 // 10].tofile(target / "train.bin")
    ids[len(ids) * 9 // 10 :].tofile(target / "val.bin")
    meta = {"vocab_size": len(letters), "itos": dict(enumerate(letters)), "stoi": number}
    (target / "meta.pkl").write_bytes(pickle.dumps(meta))


def _text(length: int) -> str:
    words = ["".join(RNG.choice(list("etaoinshrdlucmfwy"), RNG.integers(2, 9))) for _ in range(400)]
    chosen = RNG.zipf(1.4, length // 4) % len(words)
    lines = [" ".join(words[i] for i in chosen[start : start + 9]) for start in range(0, len(chosen), 9)]
    return "O God, O God!\n" + "\n".join(lines)[:length]


def plain_text(name: str) -> Data:
    return lambda folder: (folder / name).write_text(_text(200_000)) and None


def wikitext(folder: Path) -> None:
    target = folder / "data/wikitext-2"
    target.mkdir(parents=True, exist_ok=True)
    for part, length in (("train", 120_000), ("valid", 20_000), ("test", 20_000)):
        (target / f"{part}.txt").write_text(_text(length))


def digits(place: str) -> Data:
    """MNIST's four files: blobs whose place tells their class."""

    def make(folder: Path) -> None:
        raw = folder / place / "MNIST/raw"
        raw.mkdir(parents=True, exist_ok=True)
        for part, count in (("train", 60_000), ("t10k", 10_000)):
            labels = RNG.integers(0, 10, count).astype(np.uint8)
            pictures = RNG.integers(0, 60, (count, 28, 28)).astype(np.uint8)
            for label in range(10):
                row, column = divmod(label, 4)
                pictures[labels == label, 2 + 8 * row : 9 + 8 * row, 1 + 7 * column : 6 + 7 * column] += 150
            images = struct.pack(">IIII", 2051, count, 28, 28) + pictures.tobytes()
            (raw / f"{part}-images-idx3-ubyte").write_bytes(images)
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())

    return make


def picture(side: int, hue: int) -> Image.Image:
    rows, columns = np.mgrid[:side, :side]
    wave = 90 * np.sin(columns / side * (2 + hue)) * np.cos(rows / side * (5 - hue))
    shifted = wave[..., None] + RNG.normal(0, 12, (side, side, 3)) + np.array([90 + 30 * hue, 130, 190 - 30 * hue])
    return Image.fromarray(shifted.clip(0, 255).astype(np.uint8))


def image_folder(place: str, splits: tuple[str, ...] = ("train", "val"), side: int = 72, count: int = 24) -> Data:
    """Folders of pictures: SPLIT/CLASS/*.png; a single empty split: CLASS/*.png."""

    def make(folder: Path) -> None:
        for split in splits:
            for hue in range(4):
                target = folder / place / split / f"class{hue}"
                target.mkdir(parents=True, exist_ok=True)
                for number in range(count):
                    picture(side, hue).save(target / f"{number:03d}.png")

    return make


def flat_pictures(place: str, side: int = 72, count: int = 120) -> Data:
    def make(folder: Path) -> None:
        (folder / place).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture(side, number % 4).save(folder / place / f"{number:03d}.png")

    return make


def masks(folder: Path) -> None:
    """Pictures with a disc, and masks of it."""
    for name in ("imgs", "masks"):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:96, :96]
    for number in range(40):
        centre, radius = RNG.integers(25, 70, 2), RNG.integers(10, 24)
        disc = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
        pixels = np.asarray(picture(96, number % 4)).copy()
        pixels[disc] = 255 - pixels[disc] // 3
        Image.fromarray(pixels).save(folder / f"data/imgs/{number:03d}.jpg")
        Image.fromarray(disc.astype(np.uint8) * 255).convert("1").save(folder / f"data/masks/{number:03d}_mask.gif")


def diffusion_script(folder: Path) -> None:
    """The repository is a library; the script is its README's few lines, at a size for a small card."""
    flat_pictures("pictures")(folder)
    (folder / "train_pictures.py").write_text(
        "import sys\n\n"
        "from denoising_diffusion_pytorch import GaussianDiffusion, Trainer, Unet\n\n"
        "size, width = (int(word) for word in (sys.argv[1:] + ['64', '64'])[-2:])\n"
        "model = Unet(dim=width, dim_mults=(1, 2, 4, 8), flash_attn=True)\n"
        "diffusion = GaussianDiffusion(model, image_size=size, timesteps=1000, sampling_timesteps=250)\n"
        "trainer = Trainer(\n"
        "    diffusion, 'pictures', train_batch_size=8, train_lr=8e-5, train_num_steps=700000,\n"
        "    gradient_accumulate_every=2, ema_decay=0.995, amp=True, calculate_fid=False,\n"
        ")\n"
        "trainer.train()\n"
    )


def pictures_and_small_model(folder: Path) -> None:
    flat_pictures("pictures")(folder)
    (folder / "small").mkdir()
    blocks = {"down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"]}
    config = {"sample_size": 32, "block_out_channels": [16, 32], "layers_per_block": 1, "norm_num_groups": 8, **blocks}
    (folder / "small/config.json").write_text(json.dumps({"_class_name": "UNet2DModel", **config}))


EXAMPLES, EXAMPLES_AT = "pytorch/examples", "77f55b912142e11fcfdf5b530231fb9c52f181e8"
GANS, GANS_AT = "eriklindernoren/PyTorch-GAN", "36d3c77e5ff20ebe0aeefd322326a134a279b93e"
FORMERS, FORMERS_AT = "lucidrains/x-transformers", "9252ed7838021ee61e6c5be0930b3a9a88efdf06"
SMALL_GPT = "--n_layer=2 --n_head=2 --n_embd=32 --block_size=32 --batch_size=8 --eval_interval=8 --eval_iters=2"
GAN_DATA = digits("data/mnist")

SCRIPTS = [
    PublicScript(
        "nanoGPT", "karpathy/nanoGPT", "3adf61e154c3fe3fca428ad6bc3818b27a3b8291",
        "python train.py config/train_shakespeare_char.py", characters, rehearse=SMALL_GPT,
    ),
    PublicScript(
        "nanoGPT, GPT-2 124M", "karpathy/nanoGPT", "3adf61e154c3fe3fca428ad6bc3818b27a3b8291",
        "python train.py --dataset=shakespeare_char", characters,
        rehearse=f"{SMALL_GPT} --gradient_accumulation_steps=1",
    ),
    PublicScript(
        "minGPT chargpt", "karpathy/minGPT", "37baab71b9abea1b76ab957409a1cc2fbfba8a26",
        "env PYTHONPATH=. python projects/chargpt/chargpt.py", plain_text("input.txt"),
        rehearse="--model.model_type=gpt-nano --data.block_size=32 --trainer.batch_size=8",
    ),
    PublicScript(
        "examples mnist", EXAMPLES, EXAMPLES_AT, "python main.py --save-model", digits("data"), folder="mnist",
        needs=("torchvision",),
    ),
    PublicScript(
        "examples mnist_rnn", EXAMPLES, EXAMPLES_AT, "python main.py --accel --save-model", digits("data"),
        folder="mnist_rnn", needs=("torchvision",),
    ),
    PublicScript(
        "examples vae", EXAMPLES, EXAMPLES_AT, "python main.py", digits("data"), folder="vae",
        needs=("torchvision",),
    ),
    PublicScript(
        "examples siamese_network", EXAMPLES, EXAMPLES_AT, "python main.py --save-model", digits("data"),
        folder="siamese_network", rehearse="--batch-size 8", needs=("torchvision",),
    ),
    PublicScript(
        "examples dcgan", EXAMPLES, EXAMPLES_AT, "python main.py --dataset folder --dataroot pictures --accel",
        image_folder("dcgan/pictures", ("",)), folder="dcgan", rehearse="--batchSize 8 --ngf 8 --ndf 8",
        needs=("torchvision",),
    ),
    PublicScript(
        "examples imagenet", EXAMPLES, EXAMPLES_AT, "python main.py -a resnet18 -b 32 pictures",
        image_folder("imagenet/pictures"), folder="imagenet", rehearse="-b 4", needs=("torchvision",),
    ),
    PublicScript(
        "examples word_language_model, LSTM", EXAMPLES, EXAMPLES_AT, "python main.py --accel --epochs 1",
        lambda folder: wikitext(folder / "word_language_model"), folder="word_language_model",
        rehearse="--emsize 32 --nhid 32 --bptt 12",
    ),
    PublicScript(
        "examples word_language_model, Transformer", EXAMPLES, EXAMPLES_AT,
        "python main.py --accel --model Transformer --lr 5 --epochs 1",
        lambda folder: wikitext(folder / "word_language_model"), folder="word_language_model",
        rehearse="--emsize 32 --nhid 32 --bptt 12",
    ),
    PublicScript(
        "Pytorch-UNet", "milesial/Pytorch-UNet", "21d7850f2af30a9695bbeea75f3136aa538cfc4a",
        "python train.py --amp --batch-size 4 --scale 0.5", masks, rehearse="--batch-size 2 --scale 0.25",
        needs=("wandb", "torchvision"),
    ),
    PublicScript(
        "denoising-diffusion-pytorch", "lucidrains/denoising-diffusion-pytorch",
        "faed4db28e724735323fa91c70aa9b28a6e1cbac", "python train_pictures.py", diffusion_script, rehearse="16 16",
        needs=("accelerate", "einops", "ema_pytorch", "torchvision", "pytorch_fid"),
    ),
    PublicScript(
        "lightning-hydra-template", "ashleve/lightning-hydra-template", "bddbc24b82ab6ccfa6243e815a49dc5bfe8d4144",
        "python src/train.py trainer=gpu", digits("data"),
        needs=("lightning", "hydra", "rootutils", "torchvision", "torchmetrics"),
    ),
    PublicScript(
        "timm train.py", "huggingface/pytorch-image-models", "aa4b5850c1543fa488abf260f18390eda46cf85d",
        "python train.py --data-dir pictures --model resnet18 --num-classes 4 -b 16 --amp --img-size 64",
        image_folder("pictures", ("train", "validation")), rehearse="-b 8", needs=("torchvision",),
    ),
    PublicScript(
        "PyTorch-GAN gan", GANS, GANS_AT, "python gan.py", GAN_DATA, folder="implementations/gan",
        needs=("torchvision",),
    ),
    PublicScript(
        "PyTorch-GAN wgan_gp", GANS, GANS_AT, "python wgan_gp.py", GAN_DATA, folder="implementations/wgan_gp",
        needs=("torchvision",),
    ),
    PublicScript("x-transformers copy", FORMERS, FORMERS_AT, "python train_copy.py", needs=("einops",)),
    PublicScript(
        "diffusers unconditional", "huggingface/diffusers", "58eb52c0803ea9af3abec60841c2a093bdf1f951",
        "accelerate launch --mixed_precision fp16 examples/unconditional_image_generation/train_unconditional.py "
        "--train_data_dir pictures --resolution 64 --train_batch_size 16 --output_dir out",
        pictures_and_small_model,
        rehearse="--train_batch_size 4 --resolution 32 --model_config_name_or_path small",
        needs=("accelerate", "datasets", "torchvision"),
    ),
]  # fmt: skip
