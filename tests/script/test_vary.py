"""`gonogo check --vary`: the script's own argument, changed until the card is full."""

from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.cli.main import main

SCRIPT = """
import sys, torch
model = torch.nn.Sequential(torch.nn.Linear(64, 32768), torch.nn.ReLU(), torch.nn.Linear(32768, 2)).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
for _ in range(4):
    batch = torch.randn(int(sys.argv[2]), 64, device="cuda")
    model(batch).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
"""


@pytest.mark.slow
def test_the_largest_batch_is_found_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    main(
        ["check", "--card", "h100", "--steps", "2", "--vary", "--batch {}", "--", "python", "train.py", "--batch", "64"]
    )
    said = capfd.readouterr().out
    line = next(line for line in said.splitlines() if line.startswith("Largest --batch {} on"))
    largest = int(line.partition(": ")[2].split()[0])
    assert 100_000 < largest < 250_000 and "64: " in line, said  # half a MB a row of 85 GB
    assert [path.name for path in tmp_path.iterdir()] == ["train.py"]
