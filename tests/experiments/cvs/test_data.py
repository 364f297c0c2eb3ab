import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.cvs.data import CVSDataModule, dinov2_tokens, example_batch, find_items, source_of, split
from experiments.cvs.settings import CVSSettings
from gonogo.base.errors import UserError
from gonogo.config.experiment import Training
from tests.experiments.cvs.items import SIZE, VIEWS, small_settings, write_items

TRAINING = Training(micro_batch_size=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_items(tmp_path / "data", range(5))


def data_module(*folders: Path, seed: int = 0, settings: CVSSettings | None = None) -> CVSDataModule:
    return CVSDataModule(settings or small_settings(), TRAINING, folders, seed, 0.2)


def test_batches_have_the_shapes_dtypes_and_ranges_of_the_contract(folder: Path) -> None:
    batch = next(iter(data_module(folder).train_dataloader()))
    expected = {
        "input": (4, 3, SIZE, SIZE),
        "target": (4, 3, SIZE, SIZE),
        "edge_weight": (4, 1, SIZE, SIZE),
        "pose": (4, 15),
    }
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == expected
    assert all(tensor.dtype == torch.float32 for tensor in batch.values())
    for name in ("input", "target"):
        assert 0 <= batch[name].min() < 0.3 < batch[name].max() <= 1
    assert batch["edge_weight"].unique().tolist() == pytest.approx([0.2, 1.0])


def test_the_example_batch_is_like_a_real_one(folder: Path) -> None:
    real, example = next(iter(data_module(folder).train_dataloader())), example_batch(small_settings(), 4)
    assert {n: (t.shape, t.dtype) for n, t in example.items()} == {n: (t.shape, t.dtype) for n, t in real.items()}


def test_an_items_batch_holds_its_input_and_its_views_in_order(folder: Path) -> None:
    data = data_module(folder)
    for item in (data.train_items[0], data.val_items[0]):
        batch = data.item_batch(item)
        assert len(batch["target"]) == VIEWS
        assert (batch["input"] == batch["input"][0]).all()
        azimuth_deg = np.degrees(np.arcsin(batch["pose"][:, 12]))
        assert azimuth_deg == pytest.approx(-np.linspace(-20, 20, VIEWS), abs=1e-3)


def test_where_nothing_was_rendered_the_loss_weighs_little(folder: Path) -> None:
    batch = data_module(folder).item_batch(folder / "image_0000")
    empty = (batch["target"] == 0).all(dim=1, keepdim=True)
    assert empty.any()
    assert batch["edge_weight"][empty].max() < 0.5


def test_items_of_all_folders_are_split_whole_and_by_the_seed(folder: Path, tmp_path: Path) -> None:
    other = write_items(tmp_path / "shard_1", range(5, 10))
    data = data_module(other, folder)
    names = [item.name for item in data.train_items + data.val_items]
    assert sorted(names) == [f"image_{index:04d}" for index in range(10)]
    assert len(data.val_items) == 2
    assert data.val_items == data_module(folder, other).val_items
    splits = {tuple(data_module(folder, other, seed=seed).val_items) for seed in range(8)}
    assert len(splits) > 1


@pytest.mark.parametrize(("share", "held_out"), [(0.0, 1), (0.2, 2), (1.0, 9)])
def test_there_is_something_to_train_on_and_something_held_out(share: float, held_out: int) -> None:
    train, validation = split([Path(str(i)) for i in range(10)], 0, share)
    assert len(validation) == held_out
    assert len(train) == 10 - held_out
    assert not set(train) & set(validation)


def test_a_photograph_is_on_one_side_only(tmp_path: Path) -> None:
    items = [tmp_path / f"image_{index:04d}" for index in range(20)]
    for index, item in enumerate(items):
        item.mkdir()
        (item / "source.json").write_text(json.dumps({"group": f"photograph_{index % 5}.jpg"}))
    for seed in range(6):
        train, validation = split(items, seed, 0.3)
        assert len(validation) == 8, "two photographs of four crops each: six are asked for"
        assert not {source_of(item) for item in train} & {source_of(item) for item in validation}


def test_crops_of_one_photograph_are_split_one_by_one(tmp_path: Path) -> None:
    items = [tmp_path / f"image_{index:04d}" for index in range(10)]
    for item in items:
        item.mkdir()
        (item / "source.json").write_text('{"group": "only.jpg"}')
    assert len(split(items, 0, 0.2)[1]) == 2
    (items[3] / "source.json").write_text("{}")
    with pytest.raises(UserError, match=r"image_0003/source\.json: cannot be read"):
        split(items, 0, 0.2)


def test_the_seed_decides_the_order_of_training(folder: Path) -> None:
    def order(seed: int, epochs: int = 1) -> torch.Tensor:
        data = data_module(folder)
        data.seed = seed
        loader = data.train_dataloader()
        return torch.cat([batch["target"] for _ in range(epochs) for batch in loader])

    assert torch.equal(order(1), order(1))
    assert not torch.equal(order(1), order(2))
    first, second = order(1, epochs=2).chunk(2)
    assert not torch.equal(first, second)


def test_validation_comes_in_the_same_order_every_time(folder: Path) -> None:
    data = data_module(folder)
    one, other = (torch.cat([batch["target"] for batch in data.val_dataloader()]) for _ in range(2))
    assert torch.equal(one, other)


def test_a_set_too_large_for_memory_is_read_view_by_view(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = data_module(folder).val_views[1]
    monkeypatch.setattr("experiments.cvs.data.KEEP_BYTES", 0)
    views = data_module(folder).val_views
    assert views._kept is None
    assert all(torch.equal(views[1][name], kept[name]) for name in kept)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def no_json(path: Path) -> None:
    path.write_text("{")


def no_matrix(path: Path) -> None:
    path.write_text('{"world_to_camera": [[1, 2], [3, 4]]}')


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("input.png", cut_short),
        ("input.png", Path.unlink),
        ("view_001/rgb.png", cut_short),
        ("view_001/rgb.png", Path.unlink),
        ("view_002/depth.npy", cut_short),
        ("view_002/depth.npy", lambda path: np.save(path, np.zeros((3, 3)))),
        ("view_003/pose.json", no_json),
        ("view_003/pose.json", no_matrix),
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder: Path, file: str, damage: Callable[[Path], None]) -> None:
    damage(folder / "image_0003" / file)
    data = data_module(folder)
    with pytest.raises(UserError, match=rf"image_0003/{file}: cannot be read .*Generate this item again"):
        _ = data.train_views, data.val_views


def test_pictures_of_another_size_than_configured_are_refused(folder: Path) -> None:
    settings = small_settings()
    settings.data.image_size = 64
    with pytest.raises(UserError, match=r"32×32 pixels, where settings.data.image_size is 64"):
        _ = data_module(folder, settings=settings).train_views


def test_too_few_items_and_the_same_item_twice_are_refused(tmp_path: Path) -> None:
    one, copy = write_items(tmp_path / "one", range(1)), write_items(tmp_path / "copy", range(1))
    with pytest.raises(UserError, match=r"one: 1 items .* at least two are needed"):
        data_module(one)
    with pytest.raises(UserError, match="the same item"):
        find_items([one, copy])


def test_an_item_without_views_is_named(folder: Path) -> None:
    for path in sorted((folder / "image_0002").glob("view_*/*")):
        path.unlink()
    for path in (folder / "image_0002").glob("view_*"):
        path.rmdir()
    with pytest.raises(UserError, match="image_0002: has no views"):
        _ = (data := data_module(folder)).train_views, data.val_views


@pytest.fixture(scope="module")
def token_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX model with the input and output of DINOv2 small: colours of patches, repeated, behind a class token."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, numpy = onnx.helper, onnx.numpy_helper
    floats = onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("AveragePool", ["pixel_values"], ["pooled"], kernel_shape=[14, 14], strides=[14, 14]),
        helper.make_node("Reshape", ["pooled", "flat"], ["colours"]),
        helper.make_node("Transpose", ["colours"], ["patches"], perm=[0, 2, 1]),
        helper.make_node("Tile", ["patches", "repeats"], ["wide"]),
        helper.make_node("Concat", ["class", "wide"], ["last_hidden_state"], axis=1),
    ]
    constants = {
        "flat": np.array([1, 3, 1369]),
        "repeats": np.array([1, 1, 128]),
        "class": np.full((1, 1, 384), 99, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tokens",
        [helper.make_tensor_value_info("pixel_values", floats, [1, 3, 518, 518])],
        [helper.make_tensor_value_info("last_hidden_state", floats, [1, 1370, 384])],
        [numpy.from_array(value, name) for name, value in constants.items()],
    )
    path = tmp_path_factory.mktemp("models") / "dinov2_small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_dinov2_tokens_of_the_input_are_in_the_batch(folder: Path, token_model: Path) -> None:
    settings = small_settings(image_tokens="dinov2", token_model=token_model)
    data = data_module(folder, settings=settings)
    batch = data.item_batch(data.val_items[0])
    example = example_batch(settings, VIEWS)
    assert batch["tokens"].shape == example["tokens"].shape == (VIEWS, 1369, 384)
    assert batch["tokens"].dtype == torch.float32
    assert batch["tokens"].abs().max() < 3  # ImageNet's normalisation, and no class token
    corner = batch["input"][0, :, 0, 0]
    seen = batch["tokens"][0, 0, :3] * torch.tensor([0.229, 0.224, 0.225]) + torch.tensor([0.485, 0.456, 0.406])
    torch.testing.assert_close(seen, corner, atol=0.05, rtol=0)


def test_dinov2_tokens_need_a_model_that_is_there(folder: Path, tmp_path: Path) -> None:
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    with pytest.raises(UserError, match="token_model"):
        dinov2_tokens(picture, None)
    pytest.importorskip("onnxruntime")
    with pytest.raises(UserError, match=r"absent\.onnx"):
        dinov2_tokens(picture, tmp_path / "absent.onnx")
