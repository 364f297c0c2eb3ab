"""What stands around a script: one process, loaded here, no questions, no trackers, nothing compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.config.load import load_accelerator
from gonogo.script.check import CheckRequest, run_check
from gonogo.script.facts import PassFacts
from gonogo.script.request import PassName
from tests.script.conftest import Run

TRAIN = """
import torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
def step(batch=torch.ones(3, 2)):
    model(batch).sum().backward()
    optimizer.step()
"""


def test_batches_are_made_in_the_script_s_own_process(run_script: Run) -> None:
    ran = run_script("""
        import os, random, torch
        from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info
        me = os.getpid()
        class Rows(Dataset):
            def __len__(self): return 4
            def __getitem__(self, i):
                assert os.getpid() == me and get_worker_info() is None
                return torch.full((2,), float(i))
        class Stream(IterableDataset):
            def __iter__(self):
                info = get_worker_info()
                yield from range(info.id, 4, info.num_workers)
        def init(worker):
            random.seed(7); torch.manual_seed(7)
        torch.manual_seed(1); random.seed(1)
        before = torch.random.get_rng_state(), random.getstate()
        loader = DataLoader(Rows(), 2, num_workers=6, prefetch_factor=4, persistent_workers=True, timeout=30,
                            multiprocessing_context="spawn", worker_init_fn=init, generator=torch.Generator())
        for epoch in range(2):
            assert [x.tolist() for x in loader] == [[[0.0, 0.0], [1.0, 1.0]], [[2.0, 2.0], [3.0, 3.0]]]
        assert torch.equal(before[0], torch.random.get_rng_state()) and before[1] == random.getstate()
        assert loader.num_workers == 6 and loader.prefetch_factor == 4
        assert torch.cat(list(DataLoader(Stream(), 2, num_workers=2))).tolist() == [0, 1, 2, 3]
    """)
    assert ran.facts.error is None and ran.facts.ending == "script_ended", ran.lines
    assert ran.facts.workers == 6 and "data is loaded in the script's own process, not by workers" in ran.facts.notes


SPAWNED = (
    TRAIN
    + """
import os
import torch.distributed as dist
def main(rank, size, name):
    dist.init_process_group("nccl", init_method="tcp://127.0.0.1:23456", rank=rank, world_size=size)
    ddp = torch.nn.parallel.DistributedDataParallel(model, device_ids=[0] if CARD else None)
    group = dist.new_group([0, 1], backend="gloo")
    dist.barrier()
    gathered = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, {"rank": rank})
    with ddp.no_sync():
        ddp(torch.ones(3, 2)).sum().backward()
    print("world", dist.get_world_size(), name, len(gathered), gathered[-1], sorted(ddp.state_dict()))
    total = torch.ones(2)
    dist.all_reduce(total)
    dist.destroy_process_group()
    for _ in range(9):
        step()
"""
)


@pytest.mark.parametrize(("kind", "world"), [("processor", 1), ("card", 8)])
@pytest.mark.parametrize(
    "start",
    ["torch.multiprocessing.spawn(main, args=(8, 'x'), nprocs=8, join=True)",
     "from torch.multiprocessing import Process\n"
     "    ranks = [Process(target=main, args=(rank, 8, 'x')) for rank in range(8)]\n"
     "    [p.start() for p in ranks]; [p.join() for p in ranks]"],
)  # fmt: skip
def test_rank_0_of_spawned_processes_runs_here(run_script: Run, kind: PassName, world: int, start: str) -> None:
    script = f"CARD = {kind == 'card'}\n{SPAWNED}\nif __name__ == '__main__':\n    {start}\n"
    ran = run_script(script, kind=kind)
    assert ran.facts.ending == "enough" and ran.facts.steps == 2, ran.lines
    said = f"world {world} x {world} {{'rank': 0}} ['module.bias', 'module.weight']"
    assert [line for line in ran.lines if line.startswith("world")] == [said]
    assert ran.facts.processes == 8
    assert "one process of those that the script wants is run: the first" in ran.facts.notes


def test_torchrun_s_rank_0_sees_the_size_that_was_asked_for_on_the_card_alone(run_script: Run) -> None:
    script = (
        TRAIN
        + """
import os, torch.distributed as dist
dist.init_process_group("nccl")
print("size", os.environ["WORLD_SIZE"], dist.get_world_size(), os.environ["LOCAL_RANK"], dist.get_rank())
step(); step()
"""
    )
    words = "torchrun --nproc_per_node 4 --nnodes 2 train.py"
    assert "size 8 8 0 0" in run_script(script, words, "card").lines
    ran = run_script(script, words)
    assert "size 1 1 0 0" in ran.lines and ran.facts.processes == 8 and ran.facts.ending == "enough"


def test_a_script_that_starts_itself_again_does_not_run_twice(run_script: Run) -> None:
    ran = run_script("""
        import os, pathlib, subprocess, sys
        print("run", os.environ.get("LOCAL_RANK", "0"), flush=True)
        if "LOCAL_RANK" not in os.environ:
            subprocess.Popen([sys.executable, "-u", "train.py"], env={**os.environ, "LOCAL_RANK": "1"})
            print(subprocess.run([sys.executable, "-c", "print('other')"], capture_output=True, text=True).stdout)
    """)
    assert [line for line in ran.lines if line.startswith("run")] == ["run 0"] and "other" in ran.lines
    assert any("starts itself again" in note for note in ran.facts.notes)


@pytest.mark.parametrize(
    ("line", "question"),
    [("input('Which GPU? ')", "Which GPU?"), ("import getpass; getpass.getpass('API key: ')", "API key:"),
     ("import sys; sys.stdin.readline()", ""), ("breakpoint()", "(Pdb)")],
)  # fmt: skip
def test_a_question_ends_the_pass_and_is_in_the_facts(run_script: Run, line: str, question: str) -> None:
    ran = run_script(f"try:\n    {line}\nexcept BaseException:\n    pass\nprint('went on')\n")
    assert ran.facts.ending == "asks" and ran.facts.question == question and "went on" not in ran.lines


def test_nothing_is_compiled(run_script: Run) -> None:
    ran = run_script(
        TRAIN
        + """
compiled = torch.compile(model, mode="max-autotune")
assert compiled is model and compiled._orig_mod is model and list(model.state_dict()) == ["weight", "bias"]
@torch.compile(fullgraph=True)
def double(x): return 2 * x
assert double(torch.ones(1)) == 2 and torch.compile(double) is double
model.compile()
step(); step()
"""
    )
    assert ran.facts.ending == "enough", ran.lines
    assert "torch.compile is left out: the model runs as it is written" in ran.facts.notes


def test_trackers_are_off_and_have_a_key(run_script: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "mine")
    ran = run_script("""
        import os
        print(os.environ["WANDB_MODE"], os.environ["WANDB_API_KEY"], os.environ["MLFLOW_TRACKING_URI"])
    """)
    assert f"disabled mine file://{ran.scratch}/mlruns" in ran.lines


def test_leaving_by_os_exit_or_exec_keeps_the_facts(run_script: Run) -> None:
    assert run_script("import os\nos._exit(3)").facts.ending == "script_ended"
    ran = run_script("import os, sys\nos.execv(sys.executable, [sys.executable, 'train.py'])")
    assert ran.facts.ending == "script_ended"


def test_a_forked_child_of_the_script_writes_no_facts(run_script: Run) -> None:
    ran = run_script(
        TRAIN
        + """
import os
child = os.fork()
if not child:
    step(); step()
os.waitpid(child, 0)
step()
"""
    )
    assert ran.facts.ending == "script_ended" and ran.facts.steps == 1, ran.lines


def test_random_numbers_are_the_script_s_own(run_script: Run) -> None:
    ran = run_script("""
        import random, torch
        random.seed(5); torch.manual_seed(5)
        print('drew', random.random(), torch.rand(1).item())
    """)
    import random

    import torch

    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = f"drew {random.Random(5).random()} {torch.rand(1).item()}"
    assert expected in ran.lines


def test_a_script_is_main_as_python_would_have_it(run_script: Run) -> None:
    ran = run_script("""
        import inspect, pickle, sys, __main__
        class Thing: pass
        assert __name__ == "__main__" and __main__.Thing is Thing and type(pickle.loads(pickle.dumps(Thing()))) is Thing
        assert "class Thing" in inspect.getsource(Thing) and __file__ == f"{sys.path[0]}/train.py"
        print(sys.argv)
    """, "python train.py --a b")  # fmt: skip
    assert "['train.py', '--a', 'b']" in ran.lines and ran.facts.ending == "script_ended", ran.facts.error


def test_the_script_s_error_is_its_own_from_its_first_line_on(run_script: Run) -> None:
    ran = run_script("def f():\n    raise KeyError('colour')\nf()\n")
    error = ran.facts.error
    assert error is not None and (error.name, error.message, error.ours) == ("KeyError", "'colour'", False)
    assert error.where == f"{ran.folder}/train.py:2"
    assert "gonogo" not in "".join(error.lines).replace(str(ran.folder), "")
    bad = run_script("x = (1\n").facts.error
    assert bad is not None and bad.name == "SyntaxError" and bad.where.endswith("train.py:1")


def one_pass(tmp_path: Path, text: str, words: list[str], kind: PassName) -> tuple[PassFacts, list[str]]:
    """Facts and lines of a real pass; nothing was written into the script's folder."""
    folder, work = tmp_path / "repository", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    (folder / "train.py").write_text(text)
    lines: list[str] = []
    asked = CheckRequest(words, folder, load_accelerator(Path("config"), "h100"), steps=2, passes=(kind,))
    run = run_check(asked, work, lambda kind, line: lines.append(line))
    assert run.changed == []
    return run.passed[kind].facts(PassFacts), lines


def test_accelerate_trains_as_one_of_several_on_the_card(tmp_path: Path) -> None:
    text = """
import torch
from accelerate import Accelerator
accelerator = Accelerator()
model = torch.nn.Linear(8, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(256, 8)), 4, shuffle=True)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
print("ranks", accelerator.num_processes, accelerator.mixed_precision)
for (rows,) in loader:
    accelerator.backward(model(rows).square().mean())
    optimizer.step()
    optimizer.zero_grad()
"""
    words = ["accelerate", "launch", "--num_processes", "4", "--mixed_precision", "bf16", "train.py"]
    facts, lines = one_pass(tmp_path, text, words, "card")
    assert facts.error is None and facts.steps >= 2 and facts.processes == 4, (facts, lines)
    assert "ranks 4 bf16" in lines


@pytest.mark.parametrize("kind", ["card", "processor"])
def test_lightning_trains_on_the_first_of_eight_cards(tmp_path: Path, kind: PassName) -> None:
    text = """
import lightning, torch
from torch.utils.data import DataLoader, TensorDataset
class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 2)
    def training_step(self, batch, index):
        return self.layer(batch[0]).square().mean()
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
loader = DataLoader(TensorDataset(torch.randn(512, 8)), 4, num_workers=3, persistent_workers=True)
trainer = lightning.Trainer(accelerator="gpu", devices=8, strategy="ddp", max_epochs=2, enable_progress_bar=False)
trainer.fit(Module(), loader)
"""
    facts, lines = one_pass(tmp_path, text, ["python", "train.py"], kind)
    assert facts.error is None and facts.steps >= 2 and facts.processes == 8, (facts, lines)
    assert any("starts itself again" in note for note in facts.notes)
