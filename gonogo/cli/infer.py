"""`gonogo infer`: what the trained model makes of one new input."""

from __future__ import annotations

import argparse
from pathlib import Path

from gonogo.base.commands import rerun_command
from gonogo.base.errors import UserError
from gonogo.cli import site
from gonogo.experiment.load import load_experiment
from gonogo.experiment.starting_checkpoint import final_checkpoint


def add_infer(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "INPUT of the shipped experiments: cvs a photograph, vqgan3d a volume (.nii.gz), eeg a recording (.h5, .edf, "
        ".bdf, .fif), cad_mllm a caption in quotes, or a .txt file that holds one (with a .npy cloud and a .png of its "
        "name). Of a project's own objects (gonogo.torch, gonogo.lightning, gonogo.huggingface): inputs as its loader "
        "gives them, in a .npy or .pt file."
    )
    parser.set_defaults(run=_run)
    parser.add_argument("experiment", help="name in config/experiments/")
    parser.add_argument("input", help="a file or a text, as the experiment expects it")
    parser.add_argument("--mode", help="whose checkpoint (default: config.yaml's)")
    parser.add_argument("--checkpoint", type=Path, help="default: the best one of the downloaded run")
    parser.add_argument("--out", type=Path, help="default: inferred/EXPERIMENT")


def _run(arguments: argparse.Namespace) -> int:
    name = arguments.experiment
    settings = site.settings(Path(), experiments=[name], mode=arguments.mode)
    paths = settings.paths(name)
    checkpoint = arguments.checkpoint
    if checkpoint is None:
        if not paths.archive.exists():
            run = rerun_command(experiments=name, mode=settings.config.mode)
            raise UserError(f"{name}: no run was downloaded yet; train it ({run}), or name a --checkpoint")
        checkpoint = final_checkpoint(paths.archive)
    elif not checkpoint.is_file():
        raise UserError(f"--checkpoint {checkpoint}: not there")
    experiment = load_experiment(name, settings.experiments[name], settings.root, paths.assets)
    experiment.check_packages()
    out = arguments.out or Path("inferred", name)
    for file in experiment.infer(checkpoint, arguments.input, out, settings.config.seed):
        print(file)
    return 0
