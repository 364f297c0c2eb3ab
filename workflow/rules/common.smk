# Paths, settings and the gate function: what every stage shares.
#
# Snakemake executes a job again when its `params` change; most of them are here for that alone: fingerprints of code,
# training keys, thresholds, the target. Scripts read their own config; of these params only `gate`, `indices` and
# `measured_after`.
import functools
import os
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

FILES = os.path.abspath(
    f"{workflow.current_basedir.get_path_or_uri(secret_free=True)}/../.."
)
sys.path.insert(0, FILES)
from gonogo.base.shipped import site_of
from gonogo.gates import judging, registry, standing
from gonogo.config.load import load_or_exit
from gonogo.experiment.load import load_experiments_or_exit
from gonogo.quality.registry import CONFIGURED
from gonogo.quality.registry import kind_of
from gonogo.stages.held_machines import held_file
from gonogo.runtime.session import begin
from gonogo.stages import shared_data

if prefix := workflow.modifier.path_modifier.prefix:
    sys.exit(
        f"error: module: prefix: {prefix!r} cannot be used: results lie where the configuration says. Remove it, and "
        "write `results_dir` into the module's config"
    )
ENVIRONMENT = f"{FILES}/workflow/envs/gonogo.yaml"  # of each job, with --sdm conda
SITE = site_of(Path(FILES), Path(workflow.main_snakefile))
sys.path.insert(0, str(SITE))
begin(SITE, workflow.modifier.modify_rulename("*"))
SETTINGS = load_or_exit(config, SITE)
EXPERIMENTS = load_experiments_or_exit(SETTINGS)
WANTED = [name for name in EXPERIMENTS if name not in SETTINGS.sweeps]
DATA_OF = shared_data.owners_or_exit(SETTINGS, EXPERIMENTS)
MODE = SETTINGS.config.mode
RESULTS = SETTINGS.config.results_dir.as_posix()
AT_THE_END = f"{RESULTS}/.release"
# without `release`: its commands may hold a token, and Snakemake records its params
TARGET = SETTINGS.target.model_dump_json(exclude={"release"})


wildcard_constraints:
    experiment="|".join(map(re.escape, EXPERIMENTS)),
    mode=MODE,
    scope="sample|dataset",
    round=r"(_\d+)?",
    shard=r"\d+",


def passed(last):
    """Input function: the tokens of all gates up to `last`, or the first one's halt, which stops the work.

    Every expensive rule takes all gates before it, not only the next one; a token does not change with
    thresholds, so nothing is done again that need not be.
    """
    gates = registry.upto(last)

    def tokens(wildcards):
        found = []
        for at in standing.standing(verdict_file(wildcards.experiment), gates):
            if not at.verdict.go:
                return [f"{at.folder}/halted"]
            whose = owner(wildcards.experiment, at.gate)
            first = standing.folder(at.gate, f"{RESULTS}/{whose}", MODE)
            found.append(f"{first}/token")
        return found

    return tokens


def verdict_file(experiment):
    """For `standing`: a gate's verdict file, which Snakemake makes first where it is not up to date."""

    def made(gate, round):
        which = {"experiment": owner(experiment, gate)}
        which |= {"mode": MODE} if gate.by_mode else {}
        which |= (
            {"scope": gate.scope, "round": f"_{round}" if round else ""}
            if gate.scope
            else {}
        )
        judge = getattr(checkpoints, f"judge_{gate.name}")
        return Path(judge.get(**which).output.verdict)

    return made


def owner(experiment, gate):
    """The experiment of whose data, or of whose training, the gate judges."""
    return DATA_OF[experiment] if gate in shared_data.GATES else experiment


def results(wildcards):
    return f"{RESULTS}/{wildcards.experiment}"


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
    at = standing.standing_of(registry.gate("results"), verdict_file(start))
    if not at.verdict.go:
        return f"{at.folder}/halted"
    return [f"{at.folder}/token", SETTINGS.paths(start).archive]


def earlier_data(wildcards):
    """Input function: the tokens of the data that an earlier stage is trained on, which is made first: two stages at
    once would only share the cores that the first one's training could have had.
    """
    start = experiment_config(wildcards).starts_from
    if not isinstance(start, str):
        return []
    return passed("quality/dataset")(SimpleNamespace(experiment=start))


def thresholds(gate):
    """Parameter function: the gate's thresholds and any override; a change to them judges again, and nothing else."""

    def values(wildcards):
        override = override_for(wildcards, gate)
        return {
            "thresholds": getattr(
                SETTINGS.gates[wildcards.experiment], gate
            ).model_dump_json(),
            "override": override.model_dump_json() if override else "",
            "dummy_data": experiment_config(wildcards).dummy_data,
        }

    return values


def measured_after(name):
    """Parameter function: when a machine was measured that did not pass the gate, so that the next invocation
    measures it again. A measurement that passed, or passes by now, is kept.
    """
    gate = registry.gate(name)

    def value(wildcards):
        return judging.measured_after(
            gate,
            standing.folder(gate, results(wildcards), MODE),
            SETTINGS.gates[wildcards.experiment],
            override_for(wildcards, name),
        )

    return value


def override_for(wildcards, gate):
    return standing.override_for(SETTINGS.config.overrides, wildcards.experiment, gate)


def experiment_config(wildcards):
    return SETTINGS.experiments[wildcards.experiment]


@functools.cache
def asked_once(experiment, method, *arguments):
    """What a method of the experiment returns: Snakemake asks whenever it updates its graph, and files are read."""
    return getattr(EXPERIMENTS[experiment], method)(*arguments)


def fingerprint(stage):
    """Parameter function: digest of the code and settings that the experiment's stage depends on."""
    return lambda wildcards: asked_once(wildcards.experiment, "fingerprint", stage)


def data_listing(wildcards):
    """Parameter function: digest of the names, sizes and times of data that exists."""
    return asked_once(wildcards.experiment, "data_listing")


def training(wildcards):
    """The training keys of this mode, as one string."""
    return SETTINGS.training(wildcards.experiment).model_dump_json()


def requirements(wildcards):
    """Parameter function: what the experiment's own file of packages says, where it names one."""
    own = experiment_config(wildcards).requirements
    return "" if own is None else (SETTINGS.root / own.expanduser()).read_text()


def shards(wildcards):
    """The data set's folders."""
    whose = DATA_OF[wildcards.experiment]
    return SETTINGS.paths(whose).shards(SETTINGS.experiments[whose].shards)


def paths(wildcards):
    return SETTINGS.paths(wildcards.experiment)


def reading(wildcards):
    """Parameter function: what the quality gate says about how data is read, where its kind leaves that open."""
    kind = EXPERIMENTS[wildcards.experiment].kind
    gate = SETTINGS.gates[wildcards.experiment].quality
    return kind_of(kind).configured(gate).reading if kind in CONFIGURED else ""


def measured_shards(wildcards):
    """The measurements that a quality verdict is made from: of the data set, or of the sample so far."""
    rounds = 1 + int(wildcards.round.lstrip("_") or 0)
    folders = (
        paths(wildcards).sample_shards(rounds)
        if wildcards.scope == registry.SAMPLE
        else shards(wildcards)
    )
    return [paths(wildcards).measured(wildcards.scope, folder) for folder in folders]


def sample_indices(wildcards):
    """First and last item (exclusive) of a part of the sample: as many as the verdict before asked for."""
    verdict = standing.below(results(wildcards), "")
    first, last = 0, experiment_config(wildcards).sample_items
    for before in range(int(wildcards.shard)):
        more = standing.more_items(verdict(registry.gate("quality/sample"), before))
        first, last = last, last + more
    return [first, last]


def shard_indices(wildcards):
    """First and last item (exclusive) of a shard."""
    wanted = experiment_config(wildcards)
    part, parts, items = int(wildcards.shard), wanted.shards, wanted.dataset_items
    return [part * items // parts, (part + 1) * items // parts]


def sweep_plan(wildcards):
    """Input function: what the variants cost together, where the experiment is one of a sweep."""
    sweep = SETTINGS.sweep_of(wildcards.experiment)
    return f"{RESULTS}/{sweep}/{MODE}/sweep/plan.json" if sweep else []


def forecasts_of_variants(wildcards):
    """Input function: the forecast of each variant that passed its gates; all are judged first."""
    found = []
    for variant in SETTINGS.sweeps[wildcards.experiment]:
        gates = registry.upto("memory")
        if all(
            at.verdict.go for at in standing.standing(verdict_file(variant.name), gates)
        ):
            found.append(SETTINGS.paths(variant.name).forecast)
    return found


def halving(wildcards):
    """Parameter function: which share is kept."""
    own = experiment_config(wildcards).sweep
    return own.halving.model_dump_json() if own and own.halving else ""


def held(wildcards):
    """Input function: asks for one more job while the target's machine is held."""
    return AT_THE_END if held_file(SETTINGS).exists() else []


def approval(wildcards):
    """`gonogo approve` writes it; judged again when it appears or changes."""
    path = paths(wildcards).approval
    return path if path.exists() else []
