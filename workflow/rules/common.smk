# Paths, settings and the gate function: what every stage shares.
import json
import os
import sys

sys.path.insert(0, str(workflow.basedir))
from gonogo import gates
from gonogo.configload import load_or_exit
from gonogo.experiment import load_experiments_or_exit
from gonogo.session import begin

begin(workflow.basedir)
SETTINGS = load_or_exit(config, workflow.basedir)
EXPERIMENTS = load_experiments_or_exit(SETTINGS)
MODE = SETTINGS.config.mode
RESULTS = SETTINGS.config.results_dir.as_posix()


wildcard_constraints:
    experiment="|".join(EXPERIMENTS),
    mode=MODE,
    scope="sample|dataset",
    shard=r"\d+",


def passed(last):
    """Input function: the tokens of all gates up to `last`, or the first one's halt, which stops the work.

    Every expensive rule takes all gates before it, not only the next one; a token does not change with
    thresholds, so nothing is done again that need not be.
    """
    wanted = gates.ORDER[: gates.ORDER.index(last) + 1]

    def tokens(wildcards):
        found = []
        for gate in wanted:
            name, _, scope = gate.partition("/")
            which = {"experiment": wildcards.experiment}
            which |= {"mode": MODE} if gate in gates.BY_MODE else {}
            which |= {"scope": scope} if scope else {}
            verdict = getattr(checkpoints, f"judge_{name}").get(**which).output.verdict
            folder = gates.folder(gate, f"{RESULTS}/{wildcards.experiment}", MODE)
            if not may_go_on(verdict):
                return [f"{folder}/halted"]
            found.append(f"{folder}/token")
        return found

    return tokens


def may_go_on(verdict):
    """Whether a verdict file passes, by its status or by a recorded override."""
    with open(verdict) as file:
        found = json.load(file)
    return found["status"] in ("GO", "CAUTION") or found["override"] is not None


def thresholds(gate):
    """Parameter function: the gate's thresholds and any override; a change to them judges again, and nothing else."""

    def values(wildcards):
        override = gates.override_for(
            SETTINGS.config.overrides, wildcards.experiment, gate
        )
        return {
            "thresholds": getattr(
                SETTINGS.gates[wildcards.experiment], gate
            ).model_dump_json(),
            "override": override.model_dump_json() if override else "",
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


def data_folders(wildcards):
    """What the quality gate looks at: the sample's folder, or the data set's."""
    return (
        [f"{RESULTS}/{wildcards.experiment}/sample"]
        if wildcards.scope == "sample"
        else shards(wildcards)
    )


def shard_indices(wildcards):
    """First and last item (exclusive) of a shard."""
    wanted = experiment_config(wildcards)
    part, parts, items = int(wildcards.shard), wanted.shards, wanted.dataset_items
    return [part * items // parts, (part + 1) * items // parts]


def approval(wildcards):
    """`gonogo approve` writes it; judged again when it appears or changes."""
    path = f"{RESULTS}/{wildcards.experiment}/approval.json"
    return path if os.path.exists(path) else []
