"""How long a run is, by the names that its script uses: unknown rather than too short."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gonogo.script.card.run_length import names_on_stack, run_length


@pytest.mark.parametrize(
    ("named", "batches", "steps"),
    [
        ({"max_iters": 600, "epochs": 3}, 100, 600),
        ({"epochs": 3}, 100, 150),
        ({"epochs": 3, "num_steps": 35}, 100, 150),  # tokens of a sequence
        ({"epochs": 3, "num_steps": 35}, None, None),
        ({"epochs": 40, "num_batches": 100}, None, None),  # of an epoch
        ({"n_iters": 5000}, None, 5000),
        ({"num_epochs": 3}, None, None),
        ({"lr": 0.1}, 100, None),
    ],
)
def test_names_that_may_mean_less_than_the_run_are_not_its_length(
    named: dict[str, int], batches: int | None, steps: int | None
) -> None:
    assert run_length(named, batches, accumulation=2)[0] == steps


def test_numbers_within_functions_and_configurations_are_found() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.epochs = 7

        def fit(self) -> dict[str, int]:
            cfg = {"trainer": {"max_steps": 1000}, "data": {"n_iters": 4}}
            opt = SimpleNamespace(Batch_Size=8)
            assert cfg and opt
            return names_on_stack(Path(__file__).parent)

    found = Trainer().fit()
    assert (found["epochs"], found["max_steps"], found["n_iters"], found["batch_size"]) == (7, 1000, 4, 8)
