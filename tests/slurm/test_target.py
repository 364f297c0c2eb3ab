"""A target of kind slurm: the paid part as a job of a real Slurm, cancelled, requeued, left by a killed snakemake."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.cli.main import main
from gonogo.config.target import Slurm, Target
from gonogo.remote import allocation
from gonogo.verdict import Status, Verdict
from tests.slurm.cluster import NEEDED, NODE, PARTITION, SHORT, Cluster
from tests.slurm.site import BesideSlurm
from tests.waiting import LIMIT_S, wait_for
from tests.workflow.conftest import make_site
from tests.workflow.test_killed import MEMORY, SCRIPT, WALK

STEPS, RESUMED = 400, "from last.ckpt"
# its checkpoints are archives, as torch's are: the agent resumes from none that is not whole
CHECKPOINTS = """
import zipfile
def save(path, step):
    with zipfile.ZipFile(path.with_suffix(".new"), "w") as archive:
        archive.writestr("walk/data.pkl", str(step))
    path.with_suffix(".new").replace(path)
def saved(path):
    return int(zipfile.ZipFile(path).read("walk/data.pkl"))
"""
LONGER = {
    "or 40": f"or {STEPS}",
    "int(Path(rest[-1]).read_text())": "saved(Path(rest[-1]))",
    '(out / "checkpoints/last.ckpt").write_text(str(step))': 'save(out / "checkpoints/last.ckpt", step)',
}
MODES = {"mine": {"recommended": True, "training": {"epochs": 2}}, "endless": {"training": {"epochs": 2000}}}
CONNECTION = {"kind": "slurm", "partition": PARTITION, "gres": "gpu:1", "cpus": 1, "memory_gb": 2}
TARGET = {
    "connection": CONNECTION, "python": "this", "accelerator": "cpu", "max_hours": 1,
    "environment": {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
}  # fmt: skip


class SlurmSite(BesideSlurm):
    @property
    def step(self) -> int:
        """The last one in the run's log here."""
        log = self.folder / "results/walk/mine/cloud_train/log.txt"
        lines = [line for line in (log.read_text() if log.exists() else "").splitlines() if " step " in line]
        return int(lines[-1].split()[2].partition("/")[0]) if lines else 0

    @property
    def home(self) -> Path:
        return self.folder / "results/slurm/cluster/home"

    def requeue(self, job: str) -> None:
        """As after a preemption, with a pause of 3 s instead of Slurm's two minutes.

        Within the second in which it was killed a node refuses the job ("already killed"), and Slurm calls it failed.
        """
        self.slurm.ask("scontrol", "requeue", job)
        wait_for(lambda: "PENDING" in self.slurm.ask("squeue", "-h", "-o", "%T"), LIMIT_S, what="requeued")
        self.slurm.ask("scontrol", "update", f"jobid={job}", "starttime=now+3seconds")

    def submitted(self) -> list[list[str]]:
        """Id and state of each job of the target there ever was."""
        return [line.split() for line in self.slurm.ask("squeue", "-h", "-t", "all", "-o", "%i %T").splitlines()]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory, slurm_alone: Cluster) -> SlurmSite:
    site = SlurmSite(make_site(tmp_path_factory.mktemp("site")).folder, slurm_alone)
    (site.folder / "walk").mkdir()
    script = SCRIPT
    for words, others in LONGER.items():
        assert words in script
        script = script.replace(words, others)
    (site.folder / "walk/script.py").write_text(CHECKPOINTS + script)
    (site.folder / "walk/memory.py").write_text(MEMORY)
    (site.folder / "config/experiments/walk.yaml").write_text(yaml.safe_dump({**WALK, "modes": MODES}))
    short: dict[str, Any] = {**TARGET, "connection": {**CONNECTION, "partition": SHORT}}
    for name, target in {"cluster": TARGET, "short": short}.items():
        (site.folder / f"config/targets/{name}.yaml").write_text(yaml.safe_dump(target))
    return site


@NEEDED
@pytest.mark.slow
def test_what_the_partition_gives_is_judged_before_anything_is_submitted(there: SlurmSite) -> None:
    done = there.run("--config", "experiments=walk", "mode=endless", "target=short")
    assert done.returncode == 1, done.stderr
    verdict = Verdict.read(there.folder / "results/walk/endless/launch/verdict.json")
    (cap,) = [check for check in verdict.checks if check.id == "time_cap"]
    assert verdict.status is cap.status is Status.NO_GO and cap.threshold == "<= 0.0166667 h"
    assert there.submitted() == []


@NEEDED
@pytest.mark.slow
@pytest.mark.chain
def test_cancelled_killed_and_requeued_it_resumes_and_is_submitted_once(there: SlurmSite) -> None:
    arguments = ("--config", "experiments=walk", "mode=mine", "target=cluster")
    running = there.start(*arguments)
    wait_for(lambda: there.step > 10 or running.poll() is not None, LIMIT_S, "steps")
    ((first, state),) = there.submitted()
    assert state == "RUNNING", there.said
    there.slurm.ask("scancel", first)
    assert running.wait(timeout=LIMIT_S) == 1
    assert f"job {first} of Slurm was cancelled" in there.said
    before = there.step
    # the same command, in another job; killed, and given again
    running = there.start(*arguments)
    wait_for(lambda: there.step > before + 10 or running.poll() is not None, LIMIT_S, "more steps")
    assert running.poll() is None, there.said
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(timeout=LIMIT_S)
    (_, (second, state)) = sorted(there.submitted(), key=lambda job: int(job[0]))
    assert state == "RUNNING"
    # requeued while nobody looks, and again while it is followed
    there.requeue(second)
    (run,) = (there.home / "gonogo/walk/runs").glob("*_mine_*")
    wait_for(lambda: (run / "log.txt").read_text().count(RESUMED) == 2, LIMIT_S, "resumed without a client")
    running = there.start(*arguments)
    wait_for(lambda: "attached to" in there.said or running.poll() is not None, LIMIT_S, "attached")
    assert running.poll() is None, there.said
    there.requeue(second)
    assert running.wait(timeout=2 * LIMIT_S) == 0, there.said
    assert [job for job, _ in sorted(there.submitted())] == [first, second]
    assert {state for _, state in there.submitted()} == {"CANCELLED"}, "the allocation is given back"
    log = (run / "log.txt").read_text()
    assert log.count(RESUMED) == 3 and f"step {STEPS}/" in log
    steps = [int(line.split()[2].partition("/")[0]) for line in log.splitlines() if " step " in line]
    assert sum(step == 1 for step in steps) == 1, "it never began again"
    assert (there.home / ".gonogo" / NODE).is_dir(), "it ran on the node"
    assert json.loads((run / "exit.json").read_text())["cause"] == "finished"
    assert (there.folder / "results/walk/mine/report/report.html").exists()


@NEEDED
@pytest.mark.parametrize(
    ("changed", "said"), [({"partition": "none"}, "partition"), ({"gres": "gpu:9"}, "configuration"), ({}, "")]
)
def test_what_slurm_would_refuse_is_known_before(
    changed: dict[str, str], said: str, slurm: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    answer = allocation.refusal(Slurm.model_validate({**CONNECTION, **changed}), 1)
    assert said in answer and bool(answer) == bool(said)
    assert slurm.jobs() == []


@NEEDED
def test_release_cancels_the_job_and_keeps_one_whose_run_is_not_fetched(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    site = make_site(tmp_path)
    (site.folder / "config/targets/cluster.yaml").write_text(yaml.safe_dump(TARGET))
    monkeypatch.chdir(site.folder)
    release = ["release", "--target", "cluster"]
    assert main(release) == 0 and "no job of target cluster" in capsys.readouterr().out
    job = slurm.ask("sbatch", "--parsable", "--output=/dev/null", "--wrap", "sleep 600")
    folder = allocation.folder_of(Path("results"), "cluster")
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(allocation.Submitted(job_id=job, session="one").model_dump_json())
    run = site.folder / "results/walk/mine/cloud_train/run.json"
    run.parent.mkdir(parents=True)
    run.write_text(json.dumps({"run_id": "the_run", "target": "cluster"}))
    assert main(release) == 1 and f"job {job} of Slurm is kept: the_run" in capsys.readouterr().out
    assert allocation.at_work(folder) == job
    assert main([*release, "--discard"]) == 0 and "Slurm says: CANCELLED" in capsys.readouterr().out
    assert slurm.jobs() == []


def test_a_host_without_slurm_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "not found: a target of kind slurm needs Slurm" in allocation.refusal(Slurm(), 1)


def test_a_job_is_cancelled_and_takes_no_other_release() -> None:
    with pytest.raises(ValueError, match="a job of Slurm is cancelled at the end"):
        Target.model_validate({**TARGET, "release": "shutdown"})
