"""Which sample of its data set a loader gave, and what people call it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, IterableDataset

NAMES = ("samples", "imgs", "files", "paths", "filenames", "image_paths")  # where data sets keep paths
SHOWN = 2


class _Noted(BatchSampler):
    """The batches of a sampler, and which samples they were of."""

    def __init__(self, batches: Iterable[list[int]], noted: list[int]) -> None:
        self._batches, self._noted = batches, noted

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches:
            self._noted += batch
            yield batch

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]


class NamedSamples:
    """A loader whose samples are noted as they come.

    Attributes:
        loader: the same batches.
    """

    def __init__(self, loader: Any) -> None:
        self._indices: list[int] = []
        self._dataset = getattr(loader, "dataset", None)
        self.loader = loader
        plain = type(loader) is DataLoader and not isinstance(loader.dataset, IterableDataset)
        if plain and type(loader.batch_sampler) is BatchSampler:
            self.loader = DataLoader(
                loader.dataset, batch_sampler=_Noted(loader.batch_sampler, self._indices),
                collate_fn=loader.collate_fn, num_workers=loader.num_workers, generator=loader.generator,
                worker_init_fn=loader.worker_init_fn,
            )  # fmt: skip

    def examples(self, places: Sequence[int]) -> list[str]:
        """Two of the samples that were read at these places, counted from the first."""
        return [self._name(place) for place in places[:SHOWN]]

    def _name(self, place: int) -> str:
        if place >= len(self._indices):
            return f"sample {place} as read"
        index = self._indices[place]
        for name in NAMES:
            known = getattr(self._dataset, name, None)
            if isinstance(known, (list, tuple)) and isinstance(index, int) and 0 <= index < len(known):
                found = known[index][0] if isinstance(known[index], (list, tuple)) else known[index]
                return str(found)
        return f"sample {index}"
