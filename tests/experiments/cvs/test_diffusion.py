import pytest
import torch

from experiments.cvs.diffusion import CosineSchedule

SCHEDULE = CosineSchedule(1000)


def test_the_signal_falls_from_all_to_nothing() -> None:
    signal = SCHEDULE.signal(torch.arange(1000, dtype=torch.float32))
    assert signal[0] == pytest.approx(1)
    assert signal[-1] == pytest.approx(0, abs=1e-12)
    assert (signal.diff() < 0).all()
    assert signal[500] == pytest.approx(0.49, abs=0.01)  # half-way, where a linear schedule has lost 92 %


def test_noise_takes_the_place_of_signal() -> None:
    clean, noise = torch.randn(3, 3, 64, 64), torch.randn(3, 3, 64, 64)
    first, middle, last = SCHEDULE.q_sample(clean, noise, torch.tensor([0.0, 600.0, 999.0]))
    torch.testing.assert_close(first, clean[0])
    torch.testing.assert_close(last, noise[2])
    assert middle.std() == pytest.approx(1, abs=0.03)


def test_training_is_drawn_towards_pure_noise_and_sees_every_level() -> None:
    torch.manual_seed(0)
    steps = SCHEDULE.training_steps(20_000, torch.device("cpu"))
    assert steps.min() == 0
    assert steps.max() == 999
    assert (steps == steps.round()).all()
    assert 0.45 < (steps > 999 * 15 / 16).float().mean() < 0.55
    assert (SCHEDULE.neighbour(steps) <= steps).all()
    assert SCHEDULE.neighbour(torch.tensor([999.0, 10.0])).tolist() == [949.0, 0.0]


def test_one_step_sampling_is_the_prediction_from_pure_noise() -> None:
    seen = []

    def network(noisy: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        seen.append((noisy, step))
        return noisy.mean() + torch.zeros_like(noisy)

    noise = torch.randn(2, 3, 8, 8)
    sample = SCHEDULE.sample(network, noise)
    ((noisy, step),) = seen
    torch.testing.assert_close(noisy, noise)
    assert step.tolist() == [999.0, 999.0]
    torch.testing.assert_close(sample, noise.mean() + torch.zeros_like(noise))


def test_further_evaluations_start_from_what_the_last_one_saw_at_ever_lower_noise() -> None:
    truth, noise, seen = torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8), []

    def network(noisy: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        seen.append((noisy, step))
        return truth

    torch.testing.assert_close(SCHEDULE.sample(network, noise, evaluations=4), truth)
    assert [float(step) for _, step in seen] == pytest.approx([999, 749.25, 499.5, 249.75])
    for noisy, step in seen[1:]:
        torch.testing.assert_close(noisy, SCHEDULE.q_sample(truth, noise, step))
