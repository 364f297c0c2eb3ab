"""`snakemake --profile slurm` on a real Slurm, whose node is another host: its jobs, and what becomes of lost ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gonogo.runtime import ledger
from gonogo.verdict import Status, Verdict
from tests.slurm.cluster import NEEDED, NODE, Cluster
from tests.slurm.site import BesideSlurm
from tests.waiting import LIMIT_S, wait_for
from tests.workflow.conftest import make_site
from tests.workflow.test_killed import MEMORY, SCRIPT, WALK

pytestmark = [pytest.mark.slow, NEEDED]
SLOW = "sh -c 'hostname >> {folder}/begun; sleep $(cat {folder}/pause); exec {generate}'"
BAD = "sh -c 'for index in $(echo {indices} | tr , \" \"); do : > {out}/item_$index.txt; done'"
SAMPLE = "results/slow/sample/shard_0"
IN_JOBS = {"prepare", "sample", "measure_quality", "dataset", "smoke_train", "trace_memory", "validate"}


class SlurmSite(BesideSlurm):
    def command(self, *arguments: str) -> list[str]:
        quick = ["--profile", "slurm", "--slurm-init-seconds-before-status-checks", "1"]
        return [sys.executable, "-m", "snakemake", *quick, *arguments]

    @property
    def begun(self) -> list[str]:
        """Hosts on which `slow` has begun to generate, each time."""
        file = self.folder / "begun"
        return file.read_text().split() if file.exists() else []

    def job(self) -> str:
        """The one that generates."""
        (job,) = [line.split()[0] for line in self.slurm.ask("squeue", "-h", "-o", "%i %k").splitlines()]
        return job

    def outcomes(self, stage: str) -> list[str]:
        rows = ledger.rows(self.folder / "results/ledger.sqlite", experiment="slow", running=True)
        return [row.outcome for row in rows if row.stage == stage]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory, slurm: Cluster) -> SlurmSite:
    site = SlurmSite(make_site(tmp_path_factory.mktemp("site")).folder, slurm)
    (site.folder / "slurm").symlink_to("profiles/slurm")
    (site.folder / "walk").mkdir()
    (site.folder / "walk/script.py").write_text(SCRIPT)
    (site.folder / "walk/memory.py").write_text(MEMORY)
    (site.folder / "pause").write_text("600")
    commands: dict[str, str] = WALK["command"]  # type: ignore[assignment]
    slow = SLOW.replace("{folder}", str(site.folder)).replace("{generate}", commands["generate"])
    for name, generate in {"walk": commands["generate"], "bad": BAD, "slow": slow}.items():
        experiment = {**WALK, "command": {**commands, "generate": generate}}
        (site.folder / f"config/experiments/{name}.yaml").write_text(yaml.safe_dump(experiment))
    return site


def test_a_partition_that_is_not_there_and_a_host_without_slurm(there: SlurmSite, tmp_path: Path) -> None:
    arguments = (SAMPLE, "--config", "experiments=slow", "mode=mine")
    done = there.run(*arguments, "--default-resources", "slurm_partition=none", "runtime=5")
    assert done.returncode == 1 and "error: prepare: SLURM sbatch failed" in done.stderr
    assert "invalid partition specified: none" in done.stderr and there.slurm.jobs("all") == []
    for name in ("sh", "bash", "which"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    words = there.command(*arguments)
    environment = {**there.environment(), "PATH": str(tmp_path)}
    nowhere = subprocess.run(
        words, cwd=there.folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert nowhere.returncode == 1 and "error: executor slurm: there is no sbatch on this host" in nowhere.stderr
    assert "Traceback" not in done.stderr + nowhere.stderr


def test_one_experiment_goes_all_the_way_and_another_is_stopped(there: SlurmSite) -> None:
    there.slurm.ask("scontrol", "update", f"nodename={NODE}", "state=drain", "reason=test")
    running = there.start("--config", "experiments=walk,bad", "mode=mine")
    wait_for(lambda: there.slurm.jobs() or running.poll() is not None, LIMIT_S, "a job in the queue")
    assert {job.split()[1] for job in there.slurm.jobs()} == {"PENDING"}, there.said
    there.slurm.ask("scontrol", "update", f"nodename={NODE}", "state=resume")
    assert running.wait(timeout=2 * LIMIT_S) == 1, there.said
    results = there.folder / "results"
    assert Verdict.read(results / "bad/quality/sample/verdict.json").status is Status.NO_GO
    assert (results / "walk/mine/report/report.html").exists(), there.said
    # what the jobs said is said here, and their rows are in the one ledger
    assert "Traceback" not in there.said and "walk       smoke_train " in there.said
    rows = ledger.rows(results / "ledger.sqlite", running=True)
    stages = [row.stage for row in rows if row.experiment == "walk"]
    assert {"sample", "measure_quality_sample", "dataset", "smoke_train", "trace_memory", "validate"} <= set(stages)
    assert [(row.stage, row.outcome) for row in rows if row.outcome != "done"] == [("halt", "failed")]
    assert not (results / ".jobs").exists() and not (results / ".lease").exists()
    # gates and the paid part ran here
    jobs = there.slurm.ask("squeue", "-h", "-t", "all", "-o", "%k").splitlines()
    assert {comment.partition("_wildcards_")[0].removeprefix("rule_") for comment in jobs} == IN_JOBS


def test_a_job_that_was_cancelled_left_behind_or_requeued_is_done_once(there: SlurmSite) -> None:
    running = begin(there, 1)
    there.slurm.ask("scancel", there.job())
    assert running.wait(timeout=LIMIT_S) == 1
    assert "error: sample: SLURM-job" in there.said and "'CANCELLED'" in there.said
    assert there.outcomes("sample") == ["crashed"]
    # snakemake is killed: its job ends by itself once the same command is given again
    running, left = begin(there, 2), there.job()
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(timeout=LIMIT_S)
    running = begin(there, 3)
    wait_for(lambda: "JobState=FAILED" in there.slurm.ask("scontrol", "show", "job", left), what="its end")
    # preempted, or lost with its node: Slurm begins it again
    job = there.job()
    (there.folder / "pause").write_text("0")
    there.slurm.ask("scontrol", "requeue", job)
    wait_for(lambda: "PENDING" in there.slurm.ask("squeue", "-h", "-o", "%T"), what="requeued")
    there.slurm.ask("scontrol", "update", f"jobid={job}", "starttime=now+3seconds")
    assert running.wait(timeout=LIMIT_S) == 0, there.said
    assert there.begun == [NODE] * 4 and there.outcomes("sample") == ["crashed", "crashed", "crashed", "done"]
    assert there.outcomes("prepare") == ["done"]


def begin(there: SlurmSite, times: int) -> subprocess.Popen[bytes]:
    """Started, and its job generates, for the so-manyth time."""
    running = there.start(SAMPLE, "--config", "experiments=slow", "mode=mine")

    def generates() -> bool:
        return len(there.begun) == times and there.outcomes("sample").count("running") == 1

    wait_for(lambda: generates() or running.poll() is not None, LIMIT_S, "a job that generates")
    assert running.poll() is None, there.said
    return running
