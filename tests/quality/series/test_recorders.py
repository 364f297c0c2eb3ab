"""Recordings as recorders write them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from gonogo.base.errors import UserError
from gonogo.verdict import Status

from .recordings import Judged, eeg

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # physical limits have eight characters in EDF


def write_edf(path: Path, seed: int, unit: str = "uV", scale: float = 1.0) -> None:
    """Four channels of 30 s at 128 Hz, a slower one, and marks; 16 bits."""
    pyedflib = pytest.importorskip("pyedflib")
    path.parent.mkdir(parents=True, exist_ok=True)
    data = eeg(seed, (4, 3840)).astype(np.float64) * scale
    signals = [*data, eeg(seed, (1, 30))[0].astype(np.float64), np.arange(3840.0) % 2]
    labels = ["Fp1", "Fp2", "O1", "O2", "Temp", "Status"]
    most = float(np.abs(data).max()) + 1e-9
    with pyedflib.EdfWriter(str(path), len(signals)) as file:
        for at, label in enumerate(labels):
            bound = most if at < 4 else 100.0
            head = {"label": label, "dimension": unit if at < 4 else "", "sample_frequency": 1 if at == 4 else 128}
            limits = {"physical_min": -bound, "physical_max": bound, "digital_min": -32768, "digital_max": 32767}
            file.setSignalHeader(at, head | limits | {"transducer": "", "prefilter": ""})
        file.writeSamples(signals)


def test_edf_is_read_with_its_rate_and_unit(tmp_path: Path) -> None:
    for seed in range(4):
        write_edf(tmp_path / f"data/r{seed}.edf", seed)
    judged = Judged(tmp_path / "data")
    assert judged.judgement.status is Status.GO, judged.judgement.checks
    item = judged.findings["r0.edf"].item
    assert (item.channels, item.samples, item.rate_hz, item.unit) == (4, 3840, 128.0, "uV")
    assert item.left_out_channels == ["Temp", "Status"]
    path = tmp_path / "data/r1.edf"
    path.write_bytes(path.read_bytes()[:-3000])
    assert "unreadable" in Judged(tmp_path / "data").told("r1.edf")


def test_edf_in_volts_that_says_microvolts_is_a_no_go(tmp_path: Path) -> None:
    for seed in range(4):
        write_edf(tmp_path / f"data/r{seed}.edf", seed, "uV", 1e-4)
    assert Judged(tmp_path / "data").check("amplitude").status is Status.NO_GO


@pytest.mark.parametrize(("suffix", "package", "extra"), [(".bdf", "pyedflib", "edf"), (".fif", "mne", "fif")])
def test_a_missing_package_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, package: str, extra: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / f"data/a{suffix}").write_bytes(b"0")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(UserError, match=rf"{package}.*pip install 'gonogo\[{extra}\]'"):
        Judged(tmp_path / "data")
