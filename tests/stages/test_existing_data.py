"""Data that exists: drawn from and read where it lies, in an experiment of commands that generates nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import QualityGate
from gonogo.quality.judge import judge
from gonogo.quality.measured_set import MeasuredSet
from gonogo.runtime.context import Run
from gonogo.stages.dataset import dataset
from gonogo.stages.freshness import data_digest
from gonogo.stages.measure_quality import measure_quality
from gonogo.stages.sample import sample
from gonogo.stages.upload import run_spec
from tests.experiment.scripts import command
from tests.stages.conftest import Files, said

MINE = Path("config/experiments/mine.yaml")


@pytest.fixture
def data(stage_run: Callable[..., Run], tmp_path: Path) -> Path:
    """40 texts in two classes, in a folder of the repository; the experiment names it."""
    folder = tmp_path / "corpora/news"
    for number in range(40):
        file = folder / ("sport" if number < 30 else "arts") / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"the words of item {number}")
    config = yaml.safe_load(MINE.read_text())
    del config["command"]["generate"], config["shards"], config["dataset_items"]
    MINE.write_text(yaml.safe_dump({**config, "data": "corpora/news", "sample_items": 8}))
    return folder


def test_the_sample_links_to_items_of_every_class(stage_run: Callable[..., Run], data: Path) -> None:
    run = stage_run("sample")
    first, second = run.paths.sample_shards(2)
    sample(run, Files(), Files(data=first), Files(indices=[0, 8]))
    sample(run, Files(), Files(data=second), Files(indices=[8, 12]))
    links = [path for shard in (first, second) for path in shard.rglob("*.txt")]
    assert len({path.resolve() for path in links}) == 12 and all(path.is_symlink() for path in links)
    assert {path.parent.name for path in first.rglob("*.txt")} == {"sport", "arts"}
    assert "8 of 40 items of corpora/news, drawn from all its folders" in said(run)


def test_a_sample_that_is_all_the_data_is_judged_as_such(stage_run: Callable[..., Run], data: Path) -> None:
    for path in sorted(data.rglob("*.txt"))[3:]:
        path.unlink()
    run = stage_run("sample")
    (first,) = run.paths.sample_shards(1)
    sample(run, Files(), Files(data=first), Files(indices=[0, 8]))
    measured = run.paths.measured("sample", first)
    measure_quality(run, Files(data=first), Files(measured=measured))
    judgement = judge(MeasuredSet.read(measured), QualityGate(), sampled=True)
    assert judgement.more == 0 and "of all documents" not in judgement.checks[-2].why


def test_the_set_is_measured_and_named_where_it_lies(stage_run: Callable[..., Run], data: Path) -> None:
    run = stage_run("dataset")
    (shard,) = run.shards
    dataset(run, Files(), Files(data=shard), Files(indices=[0, 40]))
    assert "40 items, " in said(run) and str(data) in said(run)
    assert [path.name for path in shard.iterdir()] == ["existing_data.json"]
    assert run.experiment_config.dataset_items == 40
    measured = run.paths.measured("dataset", shard)
    measure_quality(run, Files(data=shard), Files(measured=measured))
    assert len(MeasuredSet.read(measured)) == 40
    assert MeasuredSet.read(measured).inputs_digest == data_digest([data]) == data_digest(run.data_folders)
    spec = run_spec(run)
    assert spec.data == [Path("../code/corpora/news")] and spec.experiment_config.dataset_items == 40
    assert sorted(path.name for path in data.parent.parent.rglob(".*")) == []  # nothing was written beside it


def test_a_changed_file_is_noticed(stage_run: Callable[..., Run], data: Path) -> None:
    experiment = stage_run("dataset").load_experiment()
    before = experiment.data_listing()
    assert before == experiment.data_listing() and experiment.inputs_listing() == ""
    (data / "arts/39.txt").write_text("other words")
    assert experiment.data_listing() != before


def test_no_such_folder_is_one_sentence(stage_run: Callable[..., Run], data: Path) -> None:
    data.rename(data.with_name("elsewhere"))
    run = stage_run("sample")
    assert "data: " in run.load_experiment().lacking()[0]
    with pytest.raises(UserError, match="data: corpora/news: no such folder, looked for in"):
        sample(run, Files(), Files(data=run.paths.sample_shards(1)[0]), Files(indices=[0, 8]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": command()}, "`data` and command.generate are both given"),
        ({"data": None}, "give `data` .a folder of data that exists. or command.generate"),
        ({"shards": 4}, "shards: only for data that is generated"),
        ({"data": None, "inputs": "corpora/news"}, "inputs: only a class reads it; .* write `data:`"),
        ({"dataset_items": 30}, "dataset_items: .* counted"),
    ],
)
def test_what_would_not_be_read_is_an_error(
    changes: dict[str, object], message: str, stage_run: Callable[..., Run], data: Path
) -> None:
    MINE.write_text(yaml.safe_dump({**yaml.safe_load(MINE.read_text()), **changes}))
    with pytest.raises(UserError, match=message):
        stage_run("sample")
