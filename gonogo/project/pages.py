"""The files that `gonogo init` writes, as text: every line of a configuration says where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gonogo.base.shipped import shipped_files
from gonogo.project.data_folders import DataFolder
from gonogo.project.look import Project
from gonogo.project.training_scripts import TrainingScript

SAMPLE_ITEMS = 40  # of data that exists: as cheap to look at as ten that must be made first
VALIDATE_EPOCHS = 1
UNKNOWN_SCRIPT = TrainingScript(Path("TODO.py"), 0)
WITHOUT = {
    "data": "the script finds `data` itself, where it lies",
    "out": "what the script writes beside itself is collected",
}
ANY_FILES = "files"  # kind of data whose contents no inspector reads
WIDTH = 32  # column of comments

SNAKEFILE = """# The workflow of the installed package gonogo. Run it with: snakemake --profile local
from gonogo.base.shipped import shipped_files


configfile: "config/config.yaml"


module gonogo:
    snakefile:
        str(shipped_files() / "Snakefile")
    config:
        config


use rule * from gonogo
"""


def pages(project: Project) -> dict[str, str]:
    """Path from the repository's root → text."""
    profiles = {f"profiles/{name}/profile.yaml": _profile(name) for name in ("local", "cloud", "slurm")}
    return {
        "Snakefile": SNAKEFILE,
        "config/config.yaml": _config(project.name),
        f"config/experiments/{project.name}.yaml": "\n".join(_experiment(project)) + "\n",
        **profiles,
    }


def _profile(name: str) -> str:
    return (shipped_files() / f"profiles/{name}/profile.yaml").read_text()


def _config(name: str) -> str:
    return "\n".join([
        "# What to run. Each key can be given on the command line: snakemake --profile local --config mode=full",
        _line(f"experiments: [{name}]", "files in config/experiments/"),
        _line("mode: validate", "one of the experiment's modes"),
        _line("target: local", "where the long run trains; a name in config/targets/, or one that ships: h200, mi300x"),
        _line("budget_usd: 20", "for one run; the launch gate stops what would cost more"),
        "",
    ])  # fmt: skip


def _line(entry: str, comment: str, indent: int = 0) -> str:
    entry = " " * indent + entry
    return f"{entry:{WIDTH}}# {comment}" if comment else entry


def _experiment(project: Project) -> Iterator[str]:
    script, data = project.script or UNKNOWN_SCRIPT, project.data_set
    yield f"# Written by `gonogo init` from what lies in {project.root.name}/: change what is wrong."
    yield _line("command:", "your own scripts, run from the repository's root")
    yield from _command(project, script)
    if data:
        yield _line(f"kind: {data.kind or ANY_FILES}", f"how the data is read and judged; {described(data)}")
        yield _line(f"data: {data.path.as_posix()}", "read where it lies, sent from there, never copied or written to")
    else:
        yield _line("kind: images", "TODO: images, volumes, series, points, text, views or files")
        yield _line("data: TODO", "TODO: the folder of your data; none was found here")
    for other in project.data:
        if other is not data:
            yield f"# data: {other.path.as_posix():24} # {described(other)}"
    yield _line(f"sample_items: {SAMPLE_ITEMS}", "drawn from all folders, and judged before the rest is read")
    if project.tracked is None:
        yield _line("# code: [src]", "sent to the machine; without git, all that is no data: name less")
    else:
        yield _line("# code: [src]", f"sent to the machine; as it is, what git tracks ({project.tracked} files)")
    if project.environment:
        yield _line(f"requirements: {project.environment}", "installed on the machine, with the torch of its card")
    else:
        yield _line("# requirements: FILE", "what the machine installs: none of requirements.txt, uv.lock, … is here")
    yield _line("hypothesis: ''", "what the run should show; quoted in the documents")
    yield _line("expected:", "written down before the run, and held against its results")
    yield _line("statement: ''", "the result that you expect; a paid run is refused without one", 2)
    yield from _training(script)
    yield _line("modes:", "lengths of the run; chosen with --config mode=full")
    yield _line("validate:", "a short one first", 2)
    yield _line("when: Does the whole chain work?", "", 4)
    yield _line("result: false", "a test run: its figures are compared with nothing", 4)
    yield _line(f"training: {{epochs: {VALIDATE_EPOCHS}}}", "merged over `training` above", 4)
    yield _line("full:", "with `training` as it stands above", 2)
    yield _line("when: The run itself", "", 4)
    yield _line("recommended: true", "marked so in the checklist before the launch", 4)


def _command(project: Project, script: TrainingScript) -> Iterator[str]:
    yield "  # in braces: {data} the folder, {out} a folder for what the run writes, and keys of `training`"
    if project.script is None:
        yield "  # TODO: no script with an optimizer, .backward() or a Trainer was found; write your command"
        yield "  train: python TODO.py --data {data} --out {out}"
        return
    yield f"  train: {script.command}"
    if script.parser is not None:
        name, usual = script.parser
        yield f"  # {name} reads the options of {script.path.as_posix()}; append those that it has, usually"
        yield f"  #   {usual}"
    for missing, otherwise in WITHOUT.items():
        if missing not in script.options:
            yield f"  # no option of {script.path.as_posix()} was recognised as {{{missing}}}: {otherwise}"
    if "epochs" not in script.options:
        yield "  # steps: 10000   # optimizer steps of the whole run, where the forecast cannot find them in the script"
    for option in script.others:
        yield f"  # TODO: {option.flag or option.name} is required, and its value is yours"
    if script.resume_words:
        yield f"  resume: {script.resume_words}   # appended to go on from a checkpoint, after an interruption"
    for other in project.scripts[1:3]:
        yield f"  # train: {other.command}"


def _training(script: TrainingScript) -> Iterator[str]:
    keys = ("epochs", "micro_batch_size", "accumulate_grad_batches", "learning_rate")
    found = {key: script.default(key) for key in keys}
    given = {key: value for key, value in found.items() if _is_number(value)}
    if not given:
        return
    yield _line("training:", "what the placeholders stand for")
    for key, value in given.items():
        yield _line(f"{key}: {value:g}", f"the default of {script.options[key].flag} in {script.path.as_posix()}", 2)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def described(data: DataFolder) -> str:
    """`10,000 .jpg in 10 folders, split into train, val`."""
    classes = f" in {data.classes} folders" if data.classes > 1 else ""
    splits = f", split into {', '.join(data.splits)}" if data.splits else ""
    unread = "" if data.kind else "; no inspector reads what is in them"
    return f"{data.files:,} {data.ending}{classes}{splits}{unread}"
