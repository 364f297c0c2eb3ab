"""upload: data, code and the run's own config, sent to the machine.

On the machine, below the target's root: `EXPERIMENT/code`, `EXPERIMENT/data`, `EXPERIMENT/runs/RUN_ID`. Pretrained
files lie below `code`, where they lie below the working folder here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gonogo.base.errors import UserError
from gonogo.base.files import write_json, write_text
from gonogo.base.mappings import deep_merged, nested
from gonogo.base.ranges import Range
from gonogo.base.units import dollars, duration, gigabytes
from gonogo.config.experiment import ExperimentConfig
from gonogo.experiment.contract import Experiment
from gonogo.experiment.pretrained import Asset, shown_address
from gonogo.forecast.forecast import Forecast
from gonogo.gates.standing import override_for
from gonogo.remote.answers import Fetched, quoted
from gonogo.remote.machine import Machine
from gonogo.remote.transfer import Transfer, persistently
from gonogo.remote.transfer import upload as send
from gonogo.runtime.context import Run
from gonogo.stages import transfers
from gonogo.stages.freshness import InputDigests, confirm_up_to
from gonogo.stages.held_limit import left_s, refuse_beyond, within
from gonogo.stages.machine import ssh_settings, workspace
from gonogo.stages.machine_bill import on_the_bill
from gonogo.stages.release import note_held
from gonogo.stages.remote_run import at_work, canary_key, run_key
from gonogo.stages.sent_parts import START, sent_models, sent_parts
from gonogo.training.spec import Limit, RunSpec

UNNEEDED = Transfer(0, 0, 0, 0, 0.0, "nothing to send")
BESIDE_WEIGHTS_BYTES = 1 << 30  # what a file beside the weights, a tokenizer for instance, may have at most
FETCH_S = 3 * 3600.0  # for one file, on the machine's own line


def run_spec(run: Run) -> RunSpec:
    """Everything that the paid run is made of, overrides applied: what `run.json` holds."""
    counts = run.experiment_config.modes[run.mode].result
    passed_by = override_for(run.config.overrides, run.experiment, "learning")
    experiment = run.load_experiment()
    return RunSpec(
        experiment=run.experiment,
        experiment_config=with_places(experiment),
        training=run.training,
        data=[Path("..", name) for name in run.data],
        seed=run.config.seed,
        assets=Path("../assets") if experiment.trains_with_assets else None,
        starts_from=Path(f"../{START}") if experiment.starts_from else None,
        gate=run.gates.learning if counts and not passed_by else None,
        tracking=run.config.tracking,
        limit=limit_of(run),
    )


def limit_of(run: Run) -> Limit:
    """Dollars or hours, whichever end the run first."""
    target, config = run.target, run.config
    forecast = Forecast.model_validate_json(run.paths.forecast.read_text()) if run.paths.forecast.exists() else None
    limits = [(3600 * target.max_hours, f"max_hours of the target ({target.max_hours:g} h)")]
    if target.usd_per_hour and config.budget_usd:
        limits.append((3600 * config.budget_usd / target.usd_per_hour, f"budget_usd ({dollars(config.budget_usd)})"))
    seconds, words = min(limits)
    return Limit(
        seconds=seconds,
        words=words,
        usd_per_hour=target.usd_per_hour,
        stops=config.over_budget == "stop",
        steps=forecast.steps if forecast else None,
    )


@on_the_bill
def upload(run: Run, inputs: Any, outputs: Any) -> None:
    """Send code, data, pretrained files and the run's own config; only what differs from what is there.

    Nothing is sent while this very run, or its canary, is at work there: it trains on what was sent before.

    Raises:
        UserError: a verdict is not about what is there now, or does not pass, or another run is at work there: nothing
            is sent.
    """
    digests = InputDigests(run)
    confirm_up_to(digests, "launch")
    spec, spec_file = run_spec(run), Path(outputs.run)
    write_text(spec_file, spec.model_dump_json(indent=1, by_alias=True) + "\n")
    experiment = run.load_experiment()
    parts = sent_parts(run, experiment) | {f"code/run_{run.mode}.json": spec_file}
    pretrained = experiment.pretrained()

    # whoever links a data set together means the files; of code only what lies in its folder is sent
    linked = [*sent_models(experiment), *(run.data if run.experiment_config.data else [])]

    def ahead(size_bytes: int, files: int, seconds: Range) -> None:
        run.say(
            f"{files} files, {gigabytes(size_bytes)} to send: about {duration(seconds.mid)} "
            f"({duration(seconds.low)} to {duration(seconds.high)})"
        )

    show = transfers.progress(run.progress)

    def progress(done: int, total: int) -> None:
        refuse_beyond(run)
        show(done, total)

    def bring(there: Machine) -> Transfer:
        if (ours := _at_work(run, there, digests)) is not None:
            run.say(f"{ours} is at work there with this data, code and config: nothing is sent")
            return UNNEEDED
        sent = send(there, parts, workspace(run), progress, ahead, linked)
        fetch_there(run, there, pretrained)
        return sent

    if doubt := note_held(run.settings, run.experiment):
        run.say(f"CAUTION: as it is now, the machine could not be released at the end: {doubt}")
    with run.work():
        sent = within(run, lambda: persistently(lambda: ssh_settings(run), run.target, bring, run.say))
    write_json(outputs.upload, transfers.facts(sent))
    if sent is not UNNEEDED:
        run.say(transfers.summary(sent, "sent"))


def with_places(experiment: Experiment) -> ExperimentConfig:
    """The experiment's config, its pretrained files where they lie on the machine."""
    config = experiment.config
    settings = config.settings
    for key, asset in experiment.pretrained().items():
        if (place := asset.place(key)) != asset.path.as_posix():
            settings = deep_merged(settings, nested(key, place))
    return config if settings is config.settings else config.model_copy(update={"settings": settings})


def fetch_there(run: Run, there: Machine, pretrained: Mapping[str, Asset]) -> None:
    """Let the machine fetch what it is to fetch itself, one file at a time, each checked against its sha256 there."""
    for key, asset in pretrained.items():
        for name, (address, sha256) in asset.fetched(key).items():
            run.progress(f"the machine fetches {shown_address(address)}")
            most = max(asset.max_bytes, BESIDE_WEIGHTS_BYTES)
            wanted = json.dumps([{"name": name, "address": address, "sha256": sha256, "max_bytes": most}])
            folder = f"{workspace(run)}/code"
            got = there.ask(Fetched, "fetch", folder, stdin=wanted, timeout_s=min(FETCH_S, max(1.0, left_s(run))))
            done = f"fetched, {gigabytes(got.bytes)}" if got.files else "there already"
            run.say(f"{name}: {done}, sha256 verified ({shown_address(address)})")


def _at_work(run: Run, there: Machine, digests: InputDigests) -> str | None:
    """The run of this upload that is at work there.

    Raises:
        UserError: another one is: what it trains on must not be replaced under it.
    """
    found = at_work(there, workspace(run), install=True)
    if found is None:
        return None
    run_id = quoted(found.run_dir).rpartition("/")[2]
    if found.key in (run_key(run.mode, digests.launch), canary_key(run, digests.launch)):
        return run_id
    raise UserError(
        f"{run_id} is at work in {workspace(run)} on the machine, with other data, code or config, which an upload "
        f"would replace under it: nothing was sent. Wait for its end (gonogo attach {run_id}), or end it: gonogo stop "
        f"{run_id}"
    )
