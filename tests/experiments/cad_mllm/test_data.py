from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.cad_mllm.data import find_items, read_record, split, without_input
from experiments.cad_mllm.datamodule import CADDataModule
from experiments.cad_mllm.tokens import tokens_of
from gonogo.base.errors import UserError
from gonogo.config.quality_thresholds import QualityGate, TextGate
from gonogo.quality.judge import judge
from gonogo.quality.measure import measure_part
from gonogo.quality.measured_set import MeasuredSet
from gonogo.verdict import Status
from tests.experiments.cad_mllm.small import TRAINING, experiment_of, settings_of, write_parts


def test_an_index_gives_the_same_part_in_any_company_and_stage(tmp_path: Path) -> None:
    whole, text = write_parts(tmp_path / "a", "image", 6), write_parts(tmp_path / "b", "text", 3)
    for name in ("part_000000", "part_000002"):
        assert (whole / f"{name}.json").read_text() == (text / f"{name}.json").read_text()
    assert not list(text.glob("*.npy")) and len(list(whole.glob("*.npy"))) == len(list(whole.glob("*.png"))) == 6


def test_what_is_held_out_is_so_in_every_stage(parts: Path, tmp_path: Path) -> None:
    fewer = write_parts(tmp_path, "text", 8)
    held_out = [{item.name for item in split(find_items([folder]), 0, 0.3)[1]} for folder in (parts, fewer)]
    assert held_out[1] == {name for name in held_out[0] if name < "part_000008"}


def test_parts_with_one_program_are_on_one_side(tmp_path: Path) -> None:
    for index in range(20):
        record = {"caption": f"a plate {index}", "completion": f"add box 0 0 0 {index // 2} 1 1"}
        (tmp_path / f"part_{index:06d}.json").write_text(json.dumps(record))
    train, held_out = (
        {read_record(item)["program"] for item in side} for side in split(find_items([tmp_path]), 0, 0.3)
    )
    assert train and held_out and not train & held_out


def test_a_batch_has_the_shapes_that_it_says(parts: Path) -> None:
    settings = settings_of("image")
    batch = next(iter(CADDataModule(settings, TRAINING, [parts], 0, 0.2).train_dataloader()))
    tokens = tokens_of(None)
    assert batch["caption"].shape == (4, 16) and batch["program"].shape == (4, 26)
    assert batch["points"].shape == (4, 32, 6) and batch["image"].shape == (4, 1, 16, 16)
    assert batch["target"].shape == (4, 26, len(tokens.alphabet))
    ends = (batch["program"] == tokens.end).int().argmax(1)
    assert batch["target"].sum(-1).sum(1).tolist() == (ends + 1).tolist()
    assert (batch["caption"][:, -1] == tokens.program).all()


def test_without_its_input_nothing_is_left_but_the_mark(parts: Path) -> None:
    batch = next(iter(CADDataModule(settings_of("points"), TRAINING, [parts], 0, 0.2).train_dataloader()))
    blind, tokens = without_input(batch), tokens_of(None)
    assert (blind["caption"][:, :-1] == tokens.pad).all() and (blind["caption"][:, -1] == tokens.program).all()
    assert not blind["points"].any() and (blind["program"] == batch["program"]).all()


def test_a_cloud_that_is_missing_or_of_another_shape_is_named(parts: Path, tmp_path: Path) -> None:
    folder = write_parts(tmp_path, "points", 4)
    np.save(folder / "part_000001.npy", np.zeros((5, 3)))
    with pytest.raises(UserError, match=r"part_000001.npy: an array of shape \(5, 3\); at least \(32, 6\)"):
        _read(folder)
    (folder / "part_000001.npy").unlink()
    with pytest.raises(UserError, match=r"part_000001.npy: not a readable point cloud"):
        _read(folder)


def _read(folder: Path) -> None:
    data = CADDataModule(settings_of("points"), TRAINING, [folder], 0, 0.2)
    assert len(data.train_parts) + len(data.val_parts)


# --- the quality gate ---


def gate(**keys: object) -> QualityGate:
    return QualityGate(text=TextGate(required_keys=("caption", "completion"), id_keys=("family",), **keys))  # type: ignore[arg-type]


def judged(stage: str, folder: Path, out: Path, wanted: QualityGate) -> dict[str, Status]:
    measure_part(experiment_of(stage).inspector(wanted), folder, out)
    return {check.id: check.status for check in judge(MeasuredSet.read(out), wanted).checks}


def test_sequences_longer_than_the_model_reads_are_stopped(parts: Path, tmp_path: Path) -> None:
    tokens = tokens_of(None)
    lengths = [tokens.count(f"{r['caption']}\n{r['program']}") for r in map(read_record, find_items([parts]))]
    fits = judged("text", parts, tmp_path / "a", gate(max_tokens=max(lengths)))
    assert fits["truncated"] is Status.GO and fits["length"] is Status.GO
    cut = judged("text", parts, tmp_path / "b", gate(max_tokens=min(lengths)))
    assert cut["truncated"] is Status.NO_GO and cut["length"] is Status.NO_GO


def test_missing_clouds_stop_the_stage_that_needs_them_and_no_other(tmp_path: Path) -> None:
    experiment = experiment_of("points")
    experiment.settings = experiment.settings.model_copy(
        update={"data": experiment.settings.data.model_copy(update={"absent": ("points",)})}
    )
    folder = tmp_path / "data"
    experiment.generate(range(12), folder, 0, lambda done, total: None)
    assert judged("points", folder, tmp_path / "a", gate(paired_with=(".npy",)))["pairing"] is Status.NO_GO
    assert judged("text", folder, tmp_path / "b", gate())["pairing"] is Status.GO


def test_the_learning_gate_sees_all_that_the_model_reads(parts: Path) -> None:
    experiment = experiment_of("image")
    batch = next(iter(experiment.datamodule(TRAINING, [parts], 0).train_dataloader()))
    assert experiment.inputs(batch).shape == (4, 16 + 32 * 6 + 16 * 16)
    perfect = experiment.error(batch["target"], batch["target"])
    assert perfect == 0 < experiment.error(torch.zeros_like(batch["target"]), batch["target"])
