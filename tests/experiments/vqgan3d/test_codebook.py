"""The codebook: put onto data at first, follows it, and leaves no entry unused."""

from __future__ import annotations

import pytest
import torch

from experiments.vqgan3d.codebook import Codebook, perplexity, usage
from experiments.vqgan3d.settings import CodebookSettings

SETTINGS = CodebookSettings(codes=8, width=2, decay=0.9)


def tokens(count: int = 64, centre: float = 0.0, seed: int = 0) -> torch.Tensor:
    """(1, 2, count, 1, 1) about a centre."""
    generator = torch.Generator().manual_seed(seed)
    return centre + torch.randn(1, 2, count, 1, 1, generator=generator)


def test_entries_are_put_onto_the_first_batch() -> None:
    torch.manual_seed(0)
    book = Codebook(SETTINGS)
    book(tokens(centre=100))
    assert (book.entries - 100).abs().max() < 5 and book.initialised


def test_a_token_gets_its_nearest_entry_and_the_gradient_goes_straight_through() -> None:
    torch.manual_seed(0)
    book = Codebook(SETTINGS)
    book(tokens())
    book.eval()
    z = tokens(seed=1).requires_grad_()
    found = book(z)
    flat = z.detach().movedim(1, -1).reshape(-1, 2)
    nearest = torch.cdist(flat, book.entries).argmin(1)
    assert torch.equal(found.indices.flatten(), nearest)
    assert torch.allclose(found.values.detach().movedim(1, -1).reshape(-1, 2), book.entries[nearest], atol=1e-6)
    found.values.sum().backward()
    assert torch.equal(z.grad, torch.ones_like(z))
    distance = (flat - book.entries[nearest]).square().mean()
    assert float(found.commitment.detach()) == pytest.approx(float(distance), rel=1e-5)


def test_entries_follow_the_tokens_without_a_gradient() -> None:
    torch.manual_seed(0)
    book = Codebook(SETTINGS)
    assert not list(book.parameters())
    book(tokens(256))
    for step in range(60):
        book(tokens(256, centre=3.0, seed=step))
    book.eval()
    assert float(book(tokens(256, centre=3.0, seed=99)).commitment) < 0.35  # 8 entries for a plane of variance 1
    assert (book.entries.mean(0) - 3).abs().max() < 1


def test_entries_that_fell_out_of_use_are_put_onto_tokens_anew() -> None:
    torch.manual_seed(0)
    book = Codebook(SETTINGS)
    book(tokens(256))
    with torch.no_grad():
        book.entries[4:] = 1000.0
        book.sums[4:] = 1000.0
        book.uses[4:] = 1.0
    for step in range(5):
        book(tokens(256, seed=step))
    assert book.entries.abs().max() < 10
    counts = torch.bincount(book.eval()(tokens(1024, seed=77)).indices.flatten(), minlength=8)
    assert float(usage(counts)) == 1.0


def test_without_restarts_they_stay_dead() -> None:
    torch.manual_seed(0)
    book = Codebook(SETTINGS.model_copy(update={"restart_below": 0.0}))
    book(tokens(256))
    with torch.no_grad():
        book.entries[4:], book.sums[4:] = 1000.0, 1000.0
    counts = torch.bincount(book.eval()(tokens(1024)).indices.flatten(), minlength=8)
    assert float(usage(counts)) <= 0.5


def test_a_checkpoint_knows_that_entries_lie_on_data() -> None:
    torch.manual_seed(0)
    book, other = Codebook(SETTINGS), Codebook(SETTINGS)
    book(tokens())
    other.load_state_dict(book.state_dict())
    other.eval(), book.eval()
    assert other.initialised and torch.equal(other(tokens()).indices, book(tokens()).indices)


def test_usage_and_perplexity_of_known_choices() -> None:
    assert float(usage(torch.tensor([3, 0, 1, 0]))) == 0.5
    assert float(perplexity(torch.full((16,), 5))) == pytest.approx(16)
    assert float(perplexity(torch.tensor([7, 0, 0, 0]))) == pytest.approx(1)
