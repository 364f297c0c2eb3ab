from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from experiments.cvs.decoder import FEATURES, PARAMETERS
from experiments.cvs.depth import check_models, depth_of, prior
from experiments.cvs.photographs import Item
from experiments.cvs.settings import CVSSettings, DataSettings, ModelSettings
from gonogo.base.errors import UserError

SIDE = 518


def model(path: Path, nodes: list[onnx.NodeProto], shape: list[int | str], constants: dict[str, np.ndarray]) -> Path:
    """An ONNX model from input `x` of this shape to output `y`."""
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def depth_model(path: Path) -> Path:
    """Says that what is bright is near."""
    mean = helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=0)
    return model(path, [mean], [1, 3, "height", "width"], {})


def token_model(path: Path, width: int = 384) -> Path:
    """One token for each patch of 14 × 14 pixels."""
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["a"], strides=[14, 14]),
        helper.make_node("Reshape", ["a", "shape"], ["b"]),
        helper.make_node("Transpose", ["b"], ["y"], perm=[0, 2, 1]),
    ]
    constants = {"weight": np.zeros((width, 3, 14, 14), np.float32), "shape": np.array([1, width, -1])}
    return model(path, nodes, [1, 3, SIDE, SIDE], constants)


def decoder_model(path: Path, gaussians_per_cell: int = 4) -> Path:
    weight = np.zeros((FEATURES, gaussians_per_cell * PARAMETERS), np.float32)
    return model(path, [helper.make_node("MatMul", ["x", "weight"], ["y"])], ["cells", FEATURES], {"weight": weight})


def item(image: np.ndarray, inverse_depth: np.ndarray | None = None) -> Item:
    return Item("x.png", image, inverse_depth)


def grey(size: int = 32) -> np.ndarray:
    return np.full((size, size, 3), 128, np.uint8)


def dark_left_bright_right(size: int = 32) -> np.ndarray:
    image = np.zeros((size, size, 3), np.uint8)
    image[:, size // 2 :] = 200
    return image


def test_prior_is_a_smooth_relief_within_the_scene(root: Path) -> None:
    from experiments.cvs.photographs import Photographs

    settings = DataSettings()
    depth = depth_of(Photographs(root / "resources/photographs").item(1, 64, 0), settings)
    assert depth.dtype == np.float32
    assert depth.shape == (64, 64)
    assert settings.near <= depth.min() < depth.max() <= settings.far
    assert depth.max() - depth.min() > 0.2
    assert max(np.abs(np.diff(depth, axis=axis)).max() for axis in (0, 1)) < 0.1


def test_prior_holds_what_is_low_central_or_lit_for_near() -> None:
    flat = prior(grey())
    assert flat[-1].mean() > flat[0].mean() + 0.1
    assert flat[16, 16] > flat[16, 0] + 0.05
    lit = prior(dark_left_bright_right())
    assert lit[:, 24].mean() > lit[:, 8].mean() + 0.05


def test_true_depth_is_preferred_to_the_prior_and_fills_the_scene() -> None:
    inverse = np.tile(np.linspace(5, 9, 32, dtype=np.float32), (32, 1))
    depth = depth_of(item(grey(), inverse), DataSettings())
    assert depth[:, 0] == pytest.approx(4.0)
    assert depth[:, -1] == pytest.approx(2.0)
    middle = (1 / depth[0, 15] + 1 / depth[0, 16]) / 2
    assert middle == pytest.approx((1 / 2 + 1 / 4) / 2, rel=1e-3)


def test_flat_true_depth_lies_within_the_scene() -> None:
    depth = depth_of(item(grey(), np.ones((32, 32), np.float32)), DataSettings())
    assert np.all((depth > 2.5) & (depth < 3))


def test_depth_model_is_preferred_to_all(tmp_path: Path) -> None:
    settings = DataSettings(depth_model=depth_model(tmp_path / "depth.onnx"))
    depth = depth_of(item(dark_left_bright_right(), np.tile(np.arange(32.0)[::-1], (32, 1))), settings)
    assert depth.shape == (32, 32)
    assert depth[:, 4].mean() == pytest.approx(4, abs=0.05)
    assert depth[:, 28].mean() == pytest.approx(2, abs=0.05)


def test_missing_depth_model_says_where_to_get_it(tmp_path: Path) -> None:
    settings = DataSettings(depth_model=tmp_path / "none.onnx")
    with pytest.raises(UserError, match=r"none\.onnx: no such file.*huggingface.*depth-anything"):
        depth_of(item(grey()), settings)


def test_missing_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    settings = DataSettings(depth_model=depth_model(tmp_path / "depth.onnx"))
    with pytest.raises(UserError, match=r"onnxruntime.*pip install 'gonogo\[onnx\]'"):
        depth_of(item(grey()), settings)


def settings_with(depth: Path | None, decoder: Path | None, tokens: Path | None) -> CVSSettings:
    data = DataSettings(image_size=16, depth_model=depth, decoder_model=decoder)
    return CVSSettings(data=data, model=ModelSettings(token_model=tokens))


def test_three_good_models_pass_their_dummy_inference(tmp_path: Path) -> None:
    checks = check_models(
        settings_with(
            depth_model(tmp_path / "depth.onnx"),
            decoder_model(tmp_path / "decoder.onnx"),
            token_model(tmp_path / "tokens.onnx"),
        )
    )
    assert [(name, ok) for name, ok, _ in checks] == [
        ("depth_model", True),
        ("decoder_model", True),
        ("token_model", True),
    ]
    assert "1369 tokens of 384" in checks[2][2]


def test_models_left_at_null_are_not_checked() -> None:
    assert check_models(CVSSettings()) == []


def test_missing_and_damaged_models_are_named(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"\x08\x07 not a model")
    checks = check_models(settings_with(tmp_path / "none.onnx", damaged, tmp_path))
    assert [ok for _, ok, _ in checks] == [False] * 3
    assert "none.onnx: no such file" in checks[0][2]
    assert "damaged.onnx: not an ONNX model that can run" in checks[1][2]
    assert "no such file" in checks[2][2]


def test_models_of_another_kind_are_told_apart(tmp_path: Path) -> None:
    swapped = settings_with(
        token_model(tmp_path / "tokens.onnx"),
        decoder_model(tmp_path / "decoder.onnx", gaussians_per_cell=3),
        token_model(tmp_path / "narrow.onnx", width=96),
    )
    checks = check_models(swapped)
    assert [ok for _, ok, _ in checks] == [False] * 3
    assert "Is it a depth model?" in checks[0][2]
    assert "gaussians_per_cell (4)" in checks[1][2]
    assert "1369 or 1370 tokens of 384" in checks[2][2]
