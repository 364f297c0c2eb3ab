"""Scripts that Hydra, jsonargparse or LightningCLI configure: their files, their overrides, what they write."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.script.conftest import Run

HYDRA = """
    import hydra, torch
    from pathlib import Path

    @hydra.main(version_base=None, config_path="conf", config_name="main")
    def main(cfg):
        model = torch.nn.Linear(2, 1)
        optimizer = hydra.utils.instantiate(cfg.optimizer, params=model.parameters())
        print("lr", optimizer.param_groups[0]["lr"], "chdir", Path.cwd().name)
        Path("own.txt").write_text("own")
        for _ in range(cfg.steps):
            optimizer.zero_grad(); model(torch.ones(3, 2)).sum().backward(); optimizer.step()

    if __name__ == "__main__":
        main()
"""
PARSER = """
    import torch
    from jsonargparse import ActionConfigFile, ArgumentParser

    class Network(torch.nn.Module):
        def __init__(self, wide: int = 2):
            super().__init__()
            self.layer = torch.nn.Linear(wide, 1)

    class Deep(Network):
        def __init__(self, wide: int = 3):
            super().__init__(wide)

    parser = ArgumentParser()
    parser.add_argument("--config", action=ActionConfigFile)
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--model", type=Network, default={"class_path": "Network"})
    cfg = parser.parse_args()
    model = parser.instantiate(cfg).model
    print(type(model).__name__, model.layer.in_features, cfg.steps)
    parser.save(cfg, "used.yaml", overwrite=True)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(cfg.steps):
        optimizer.zero_grad(); model.layer(torch.ones(2, model.layer.in_features)).sum().backward(); optimizer.step()
"""
LIGHTNING = """
    import torch
    from lightning.pytorch import LightningModule
    from lightning.pytorch.cli import LightningCLI

    class Model(LightningModule):
        def __init__(self, rate: float = 0.1):
            super().__init__()
            self.layer, self.rate = torch.nn.Linear(2, 1), rate

        def training_step(self, batch, index):
            return self.layer(batch).square().mean()

        def configure_optimizers(self):
            print("rate", self.rate)
            return torch.optim.SGD(self.parameters(), self.rate)

        def train_dataloader(self):
            return torch.utils.data.DataLoader(torch.ones(8, 2), 2)

    if __name__ == "__main__":
        LightningCLI(Model)
"""
QUIET = "{max_epochs: 1, accelerator: cpu, logger: false, enable_progress_bar: false, enable_model_summary: false}"
FILES = {
    "conf/main.yaml": "defaults: [optimizer: sgd, _self_]\nsteps: 5\n"
    "hydra: {job: {chdir: true}, run: {dir: out/run7}}\n",
    "conf/optimizer/sgd.yaml": "_target_: torch.optim.SGD\nlr: 0.5\n",
    "parser.yaml": "steps: 5\nmodel: {class_path: Deep}\n",
    "cli.yaml": f"trainer: {QUIET}\nmodel: {{rate: 0.2}}\n",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("needs", "script", "words", "said", "written"),
    [
        ("hydra", HYDRA, "optimizer.lr=0.25", "lr 0.25 chdir run7", "out/run7/own.txt"),
        ("jsonargparse", PARSER, "--config parser.yaml --model.wide 4", "Deep 4 5", "used.yaml"),
        ("jsonargparse", LIGHTNING, "fit --config cli.yaml --model.rate 0.3", "rate 0.3", "checkpoints"),
    ],
    ids=["hydra", "jsonargparse", "LightningCLI"],
)
def test_a_configured_script_runs_as_typed_and_writes_elsewhere(
    run_script: Run, tmp_path: Path, needs: str, script: str, words: str, said: str, written: str
) -> None:
    pytest.importorskip(needs)
    for name, text in FILES.items():
        (tmp_path / "repository" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repository" / name).write_text(text)
    ran = run_script(textwrap.dedent(script), f"python train.py {words}")
    assert ran.facts.error is None and ran.facts.steps == 2, ran.lines
    assert said in "\n".join(ran.lines)
    left = {str(path.relative_to(ran.folder)) for path in ran.folder.rglob("*") if path.is_file()}
    assert {name for name in left if "pycache" not in name} == {"train.py", *FILES}
    assert list(ran.scratch.rglob(Path(written).name)) or needs == "jsonargparse"
