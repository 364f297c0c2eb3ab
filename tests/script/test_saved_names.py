from __future__ import annotations

from pathlib import Path

import pytest

from gonogo.agent.saved import unit_of
from gonogo.script.saved_names import patterns_of, relative_names


@pytest.mark.parametrize(
    ("saved", "patterns", "later"),
    [
        (["ckpt_100.bin"], ("ckpt_*.bin", "*best*.bin"), "runs/3/ckpt_2500.bin"),
        (["last.model", "model.3.model"], ("last.model", "*best*.model", "model.*.model"), "model_best.model"),
        (["state_8/a.bin", "state_8/b.bin"], ("state_*/",), "state_16/a.bin"),
        (["epoch=1-loss[0.25].pkl"], ("epoch=*-loss?*].pkl", "*best*.pkl"), "epoch=12-loss[0.1].pkl"),
        (["weights"], ("weights",), "weights"),
        ([], (), ""),
    ],
)
def test_later_checkpoints_are_known_by_the_names_of_the_first(
    saved: list[str], patterns: tuple[str, ...], later: str
) -> None:
    assert patterns_of(saved) == patterns
    assert bool(unit_of(later, patterns)) == bool(later) and not unit_of("features/cache.pt", patterns)


def test_what_is_saved_elsewhere_is_not_looked_for() -> None:
    assert relative_names(["/a/out/m.pt", "/root/.cache/x.pt", "/a/b.pt"], Path("/a/out")) == ["m.pt"]
