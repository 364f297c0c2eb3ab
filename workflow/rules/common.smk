# Paths, settings and the gate function: what every stage shares.
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

FILES = os.path.abspath(
    f"{workflow.current_basedir.get_path_or_uri(secret_free=True)}/../.."
)
sys.path.insert(0, FILES)
from gonogo.base.shipped import site_of
from gonogo.gates import registry, standing
from gonogo.config.load import load_or_exit
from gonogo.experiment.load import load_experiments_or_exit
from gonogo.quality.registry import CONFIGURED
from gonogo.quality.registry import kind_of
from gonogo.stages.release import held_file
from gonogo.runtime.session import begin

SITE = site_of(Path(FILES))
sys.path.insert(0, str(SITE))
begin(SITE)
SETTINGS = load_or_exit(config, SITE)
EXPERIMENTS = load_experiments_or_exit(SETTINGS)
MODE = SETTINGS.config.mode
RESULTS = SETTINGS.config.results_dir.as_posix()
AT_THE_END = f"{RESULTS}/.release"


wildcard_constraints:
    experiment="|".join(EXPERIMENTS),
    mode=MODE,
    scope="sample|dataset",
    round=r"(_\d+)?",
    shard=r"\d+",


def passed(last):
    """Input function: the tokens of all gates up to `last`, or the first one's halt, which stops the work.

    Every expensive rule takes all gates before it, not only the next one; a token does not change with
    thresholds, so nothing is done again that need not be.
    """
    wanted = registry.ORDER[: registry.ORDER.index(last) + 1]

    def tokens(wildcards):
        found = []
        for gate in wanted:
            verdict = standing_verdict(gate, wildcards.experiment)
            if not may_go_on(verdict):
                return [f"{os.path.dirname(verdict)}/halted"]
            folder = standing.folder(gate, f"{RESULTS}/{wildcards.experiment}", MODE)
            found.append(f"{folder}/token")
        return found

    return tokens


def standing_verdict(gate, experiment):
    """The verdict file of a gate; where a sample does not decide, the one of the next round, with more of it."""
    name, _, scope = gate.partition("/")
    which = {"experiment": experiment}
    which |= {"mode": MODE} if gate in registry.BY_MODE else {}
    which |= {"scope": scope, "round": ""} if scope else {}
    judged, number = getattr(checkpoints, f"judge_{name}"), 0
    verdict = judged.get(**which).output.verdict
    while scope == registry.SAMPLE and standing.asks_for_more(verdict):
        number += 1
        verdict = judged.get(**which | {"round": f"_{number}"}).output.verdict
    return verdict


def planned_training(wildcards):
    """Input function: the training keys that the memory gate let pass.

    The gates before it are asked first, as for its token: asked for alone, it would be judged again whenever one of
    them is.
    """
    last = passed("memory")(wildcards)[-1]
    folder, name = os.path.split(last)
    return [] if name == "halted" else f"{folder}/training.json"


def earlier_stage(wildcards):
    """Input function: the checkpoint that training begins with; of an earlier experiment, once its results pass."""
    start = experiment_config(wildcards).starts_from
    if not isinstance(start, str):
        return [] if start is None else str(start.checkpoint)
    verdict = standing_verdict("results", start)
    if not may_go_on(verdict):
        return f"{os.path.dirname(verdict)}/halted"
    return [
        f"{RESULTS}/{start}/{MODE}/results/token",
        f"{RESULTS}/{start}/{MODE}/download/archive.json",
    ]


def earlier_data(wildcards):
    """Input function: the tokens of the data that an earlier stage is trained on, which is made first: two stages at
    once would only share the cores that the first one's training could have had.
    """
    start = experiment_config(wildcards).starts_from
    if not isinstance(start, str):
        return []
    return passed("quality/dataset")(SimpleNamespace(experiment=start))


def may_go_on(verdict):
    """Whether a verdict file passes, by its status or by a recorded override."""
    with open(verdict) as file:
        found = json.load(file)
    return found["status"] in ("GO", "CAUTION") or found["override"] is not None


def thresholds(gate):
    """Parameter function: the gate's thresholds and any override; a change to them judges again, and nothing else."""

    def values(wildcards):
        override = standing.override_for(
            SETTINGS.config.overrides, wildcards.experiment, gate
        )
        return {
            "thresholds": getattr(
                SETTINGS.gates[wildcards.experiment], gate
            ).model_dump_json(),
            "override": override.model_dump_json() if override else "",
            "dummy_data": SETTINGS.experiments[wildcards.experiment].dummy_data,
        }

    return values


def experiment_config(wildcards):
    return SETTINGS.experiments[wildcards.experiment]


def fingerprint(stage):
    """Parameter function: digest of the code and settings that the experiment's stage depends on."""
    return lambda wildcards: EXPERIMENTS[wildcards.experiment].fingerprint(stage)


def training(wildcards):
    """The training keys of this mode, as one string."""
    return SETTINGS.training(wildcards.experiment).model_dump_json()


def shards(wildcards):
    """The data set's folders."""
    parts = range(experiment_config(wildcards).shards)
    return [f"{RESULTS}/{wildcards.experiment}/dataset/shard_{part}" for part in parts]


def reading(wildcards):
    """Parameter function: what the quality gate says about how data is read, where its kind leaves that open."""
    kind = EXPERIMENTS[wildcards.experiment].kind
    gate = SETTINGS.gates[wildcards.experiment].quality
    return kind_of(kind).configured(gate).reading if kind in CONFIGURED else ""


def measured_shards(wildcards):
    """The measurements that a quality verdict is made from: of the data set, or of the sample so far."""
    rounds = 1 + int(wildcards.round.lstrip("_") or 0)
    count = (
        rounds
        if wildcards.scope == registry.SAMPLE
        else experiment_config(wildcards).shards
    )
    folder = f"{RESULTS}/{wildcards.experiment}/quality/measured/{wildcards.scope}"
    return [f"{folder}/shard_{shard}" for shard in range(count)]


def sample_indices(wildcards):
    """First and last item (exclusive) of a part of the sample: as many as the verdict before asked for."""
    folder, first = f"{RESULTS}/{wildcards.experiment}", 0
    last = experiment_config(wildcards).sample_items
    for before in range(int(wildcards.shard)):
        verdict = (
            f"{standing.folder('quality/sample', folder, '', before)}/verdict.json"
        )
        first, last = last, last + standing.asks_for_more(verdict)
    return [first, last]


def shard_indices(wildcards):
    """First and last item (exclusive) of a shard."""
    wanted = experiment_config(wildcards)
    part, parts, items = int(wildcards.shard), wanted.shards, wanted.dataset_items
    return [part * items // parts, (part + 1) * items // parts]


def held(wildcards):
    """Input function: asks for one more job while the target's machine is held."""
    return AT_THE_END if held_file(SETTINGS).exists() else []


def approval(wildcards):
    """`gonogo approve` writes it; judged again when it appears or changes."""
    path = f"{RESULTS}/{wildcards.experiment}/approval.json"
    return path if os.path.exists(path) else []
