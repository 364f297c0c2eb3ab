"""Which script of a repository trains, and how its command line takes what gonogo decides."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gonogo.experiment.script_options import Option, options_of
from gonogo.experiment.source_files import code_files

MOST_FILES, MOST_BYTES = 500, 400_000
NO_SCRIPTS = {"tests", "test", "docs", "results", "archive", "node_modules", "build", "dist", "site-packages"}
# what a source that trains holds, and how much that says
SIGNS = (
    (r"\.backward\(", 3), (r"\btorch\.optim\b|\boptim\.\w+\(", 2), (r"\.step\(", 1), (r"\bTrainer\(", 3),
    (r"\.fit\(|\btrainer\.train\(", 2), (r"__main__", 1), (r"add_argument\(|@click\.option|HfArgumentParser", 1),
)  # fmt: skip
TRAINS = re.compile(r"\.backward\(|\.fit\(|\.train\(|\btrain\w*\(|\btrainer\.run\(")
LEAST_SCORE = 4
# placeholder of command.train → names that options for it go by, the most exact first
OPTION_NAMES = {
    "data": ("data", "data_dir", "data_path", "data_root", "dataset_dir", "dataset_path", "datadir", "dataroot",
             "root", "root_dir", "dataset", "folder", "input_dir", "image_dir", "images", "dir", "train_dir"),
    "out": ("out", "output", "output_dir", "out_dir", "outdir", "save_dir", "checkpoint_dir", "checkpoints", "ckpt_dir",
            "work_dir", "workdir", "run_dir", "exp_dir", "log_dir", "logdir", "results_dir", "save_path"),
    "epochs": ("epochs", "num_epochs", "n_epochs", "max_epochs", "num_train_epochs", "nepochs", "epoch"),
    "micro_batch_size": ("batch_size", "per_device_train_batch_size", "train_batch_size", "batchsize", "batch", "bs",
                         "micro_batch_size"),
    "accumulate_grad_batches": ("gradient_accumulation_steps", "accumulate_grad_batches", "grad_accum", "accumulate"),
    "learning_rate": ("lr", "learning_rate"),
    "seed": ("seed", "manual_seed", "random_seed"),
}  # fmt: skip
RESUMES = ("resume", "resume_from", "resume_from_checkpoint", "checkpoint", "ckpt", "resume_path", "load")


# sign in the source of a parser other than argparse → its name, and how the placeholders are usually written
PARSERS = (
    (
        r"\bHfArgumentParser\b",
        "HfArgumentParser",
        "--output_dir {out} --num_train_epochs {epochs} --per_device_train_batch_size {micro_batch_size} "
        "--gradient_accumulation_steps {accumulate_grad_batches} --learning_rate {learning_rate} --seed {seed}",
    ),
    (
        r"\bLightningCLI\s*\(",
        "LightningCLI",
        "fit --trainer.default_root_dir {out} --trainer.max_epochs {epochs} --data.batch_size {micro_batch_size} "
        "--seed_everything {seed}",
    ),
    (
        r"@hydra\.main\b",
        "Hydra",
        "hydra.run.dir={out} trainer.max_epochs={epochs} data.batch_size={micro_batch_size} seed={seed}",
    ),
)


@dataclass(frozen=True)
class TrainingScript:
    """A script that trains."""

    path: Path  # from the repository's root
    score: int
    options: dict[str, Option] = field(default_factory=dict)  # placeholder → the script's option for it
    resume: Option | None = None  # the option that takes a checkpoint; None: none was recognised
    others: tuple[Option, ...] = ()  # required options that gonogo has no value for
    # name of a parser other than argparse that reads its options, and how they are usually written
    parser: tuple[str, str] | None = None

    @property
    def command(self) -> str:
        """`command.train`, with a placeholder for everything that was recognised."""
        words = ["python", shlex.quote(self.path.as_posix())]
        words += [f"TODO_{option.name}" if not option.flag else f"{option.flag} TODO" for option in self.others]
        for placeholder, option in self.options.items():
            words += [option.flag] if option.flag else []
            words.append(f"{{{placeholder}}}")
        return " ".join(words)

    @property
    def resume_words(self) -> str:
        return f"{self.resume.flag} {{checkpoint}}" if self.resume and self.resume.flag else ""

    def default(self, placeholder: str) -> Any:
        """The script's own value, where its source says it; else None."""
        option = self.options.get(placeholder)
        return option.default if option else None


def find_scripts(root: Path) -> list[TrainingScript]:
    """Scripts that train, the likeliest first."""
    readme = _readme(root)
    found = []
    programs = [file for file in code_files(root) if file.suffix == ".py"]  # of what may be a million pictures
    for file in programs[:MOST_FILES]:
        parts = file.relative_to(root).parts
        if NO_SCRIPTS & set(parts[:-1]) or file.stat().st_size > MOST_BYTES:
            continue
        source = file.read_text(errors="replace")
        score = _score(file.relative_to(root), source, readme)
        if score >= LEAST_SCORE and TRAINS.search(source) and _runs(source):
            found.append(_script(file.relative_to(root), source, score))
    return sorted(found, key=lambda script: (-script.score, len(script.path.parts), script.path.as_posix()))


def _readme(root: Path) -> str:
    for file in sorted(root.glob("[Rr][Ee][Aa][Dd][Mm][Ee]*")):
        if file.is_file():
            return file.read_text(errors="replace")[:MOST_BYTES]
    return ""


def _score(path: Path, source: str, readme: str) -> int:
    score = sum(weight for sign, weight in SIGNS if re.search(sign, source))
    name = path.stem.lower()
    score += 4 if name in ("train", "main", "run_train") else 3 if "train" in name else 0
    runs = (
        rf"python3?\s+(-m\s+)?(\./)?({re.escape(path.as_posix())}|{re.escape('.'.join(path.with_suffix('').parts))})\b"
    )
    score += 3 if re.search(runs, readme) else 0
    score -= 4 if re.search(r"^(test|eval|predict|infer|sample|setup|model|util|data)", name) else 0
    return score


def _runs(source: str) -> bool:
    """Whether running the file does something: a library only defines."""
    if "__main__" in source:
        return True
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.For | ast.While | ast.With | ast.If) for node in body)


def _script(path: Path, source: str, score: int) -> TrainingScript:
    known = {option.name.lower(): option for option in options_of(source)}
    options: dict[str, Option] = {}
    for placeholder, names in OPTION_NAMES.items():
        if match := next((known[name] for name in names if name in known), None):
            options[placeholder] = match
    used = {option.name for option in options.values()}
    resume = next((known[name] for name in RESUMES if name in known and known[name].name not in used), None)
    others = tuple(option for option in known.values() if option.required and option.name not in used)
    # positional words come first, and keep the order in which they are declared
    order = [option.name for option in known.values()]
    placed = sorted(options, key=lambda key: (bool(options[key].flag), order.index(options[key].name)))
    parser = next(((name, usual) for sign, name, usual in PARSERS if re.search(sign, source)), None)
    return TrainingScript(path, score, {key: options[key] for key in placed}, resume, others, parser)
