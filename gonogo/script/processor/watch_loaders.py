"""DataLoaders: how long a step waits, which samples were read, a last batch of one; and the batch that is repeated."""

from __future__ import annotations

import copy
import dis
import functools
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from torch.utils.data import DataLoader, Subset
from torch.utils.data import dataloader as loaders

from gonogo.base.replaced import Replaced
from gonogo.learning.features import row_hashes
from gonogo.script.processor.facts import DataFacts, LoaderFacts
from gonogo.script.processor.names import tensors_of, variable
from gonogo.script.processor.session import Session

MOST_SAMPLES = 4096  # whose digests are kept, of each loader
SMALL = 16  # a sample of no more numbers, all of them whole, can recur by chance
MAX_TWINS = 0.01  # of the samples; where training samples repeat among themselves, a common one proves nothing
VALIDATION_BATCHES = 8  # after which validation is cut short, once the script's results no longer count
IN_THIS_PROCESS = {
    "num_workers": 0, "pin_memory": False, "prefetch_factor": None, "persistent_workers": False, "timeout": 0,
    "multiprocessing_context": None,
}  # fmt: skip
ENDS_ON_STOP = ("accelerate",)  # packages that call next() and expect its end


@dataclass
class SeenLoader:
    loader: Any
    facts: LoaderFacts
    seconds: list[float] = field(default_factory=list)
    samples: set[bytes] = field(default_factory=set)
    sampled: int = 0
    size: int = 0  # samples of the batch that was read last
    batches: int = 0
    given: list[Any] = field(default_factory=list)  # that batch's tensors
    repeated: Any = None
    last: Any = None
    tellable: bool = True
    twins: int = 0  # samples of the first pass that it had read before


@dataclass
class LoaderWatch:
    session: Session
    loader_read: Callable[[int], None]
    role: Callable[[int], str]
    train_loader: Callable[[], int | None]
    seen: dict[int, SeenLoader] = field(default_factory=dict)
    asked_workers: dict[int, int] = field(default_factory=dict)
    ended_early: bool = False
    current: int | None = None

    def place(self, replaced: Replaced) -> None:
        base, watch = loaders._BaseDataLoaderIter, self
        plain_init, plain_next, plain_loader = base.__init__, base.__next__, DataLoader.__init__
        signature = inspect.signature(plain_loader)

        @functools.wraps(plain_loader)  # frameworks read its parameters
        def made(loader: Any, *arguments: Any, **keywords: Any) -> None:
            given = signature.bind(loader, *arguments, **keywords).arguments
            watch.asked_workers[id(loader)] = given.get("num_workers", 0)
            plain_loader(**{**given, **IN_THIS_PROCESS})

        def begun(iterator: Any, loader: Any) -> None:
            plain_init(iterator, loader)
            iterator._gonogo_loader, iterator._gonogo_read = loader, 0
            watch.session.guard("loaders", watch.of, loader)

        def read(iterator: Any) -> Any:
            if watch.session.in_probe or not hasattr(iterator, "_gonogo_loader"):
                return plain_next(iterator)
            if watch.session.guard("loaders", watch.may_end, iterator):
                watch.ended_early = True
                raise StopIteration
            started = time.perf_counter()
            batch = plain_next(iterator)
            seconds = time.perf_counter() - started
            iterator._gonogo_read += 1
            given = watch.session.guard("loaders", watch.batch, iterator._gonogo_loader, batch, seconds)
            return batch if given is None else given

        replaced.put(DataLoader, "__init__", made)
        replaced.put(base, "__init__", begun)
        replaced.put(base, "__next__", read)

    def of(self, loader: Any) -> SeenLoader:
        if id(loader) not in self.seen:
            name = variable(loader, self.session.frames())
            facts = LoaderFacts(
                name=name or f"loader {len(self.seen) + 1}", items=_length(loader.dataset), length=_length(loader),
                batch_size=loader.batch_size or getattr(loader.batch_sampler, "batch_size", None),
                drop_last=bool(loader.drop_last or getattr(loader.batch_sampler, "drop_last", False)),
                workers=self.asked_workers.get(id(loader), 0),
                shuffled=None if loader.sampler is None else "Random" in type(loader.sampler).__name__,
            )  # fmt: skip
            self.seen[id(loader)] = SeenLoader(loader, facts)
        return self.seen[id(loader)]

    def batch(self, loader: Any, batch: Any, seconds: float) -> Any:
        """What the script gets in its place: the same, or the batch that is repeated."""
        one = self.of(loader)
        self.current = id(loader)
        self.loader_read(id(loader))
        one.batches += 1
        tensors = [tensor for _, tensor in tensors_of(batch) if tensor.ndim]
        one.size, one.given = len(tensors[0]) if tensors else 0, tensors
        if self.session.phase == "watch" or one.batches <= VALIDATION_BATCHES:
            one.seconds.append(seconds)
            if one.sampled < MOST_SAMPLES:
                self._digest(one, batch)
        if self.session.phase == "memorise" and self.train_loader() in {None, id(loader)}:
            if one.repeated is None:
                one.repeated = copy.deepcopy(batch)
            return copy.deepcopy(one.repeated)
        return None

    def _digest(self, one: SeenLoader, batch: Any) -> None:
        tensors = [tensor for _, tensor in tensors_of(batch) if tensor.ndim]
        size = len(tensors[0]) if tensors else 0
        if not size or any(len(tensor) != size for tensor in tensors):
            return
        numbers = sum(tensor[0].numel() for tensor in tensors)
        one.tellable &= numbers > SMALL or any(tensor.is_floating_point() for tensor in tensors)
        first_pass = one.facts.length is None or one.batches <= one.facts.length
        most = min(size, MOST_SAMPLES - one.sampled)
        for digest in row_hashes(*(tensor[:most] for tensor in tensors)):
            one.twins += first_pass and digest in one.samples
            one.samples.add(digest)
        one.sampled += size

    def may_end(self, iterator: Any) -> bool:
        """Whether an epoch may be cut short here: its results no longer count, and its reader expects an end."""
        if self.session.phase == "watch" or iterator._gonogo_read < 1:
            return False
        validating = self.role(id(iterator._gonogo_loader)) == "validation"
        if validating and iterator._gonogo_read < VALIDATION_BATCHES:
            return False
        if not validating and self.session.phase != "reach":
            return False
        return _in_for_loop()

    def just_read(self, tensor: Any) -> bool:
        """Whether it is part of the batch that was read last, as that was read."""
        one = self.seen.get(self.current or 0)
        return one is not None and any(given.shape == tensor.shape and given.equal(tensor) for given in one.given)

    def where(self) -> str:
        """`batch 7 of train_loader`."""
        one = self.seen.get(self.current or 0)
        return f"batch {one.batches} of {one.facts.name}" if one is not None else ""

    def fill(self, data: DataFacts) -> None:
        for key, one in self.seen.items():
            one.facts.role, one.facts.batches = self.role(key) if one.batches else "unused", one.batches
            one.facts.seconds_a_batch = median(one.seconds) if one.seconds else 0.0
            data.loaders.append(one.facts)
        train = [one for one in self.seen.values() if one.facts.role == "train"]
        held_out = [one for one in self.seen.values() if one.facts.role == "validation"]
        if not train or not held_out:
            return
        for one in held_out:
            for other in train:
                shared = _shared_indices(other.loader.dataset, one.loader.dataset)
                if shared is not None:
                    _report(data, *shared, "by their places in the same data set")
        known = set().union(*(one.samples for one in train))
        natural = any(other.twins > MAX_TWINS * len(other.samples) or not other.tellable for other in train)
        checked = [one for one in held_out if one.tellable and not natural]
        if known and any(one.samples for one in checked):
            found = set().union(*(one.samples for one in checked))
            _report(data, len(found & known), len(found), "bit for bit, among what was read")


def _report(data: DataFacts, shared: int, of: int, how: str) -> None:
    if data.shared_samples is None or shared / max(1, of) > data.shared_samples / max(1, data.shared_of):
        data.shared_samples, data.shared_of, data.shared_how = shared, of, how


def _shared_indices(train: Any, held_out: Any) -> tuple[int, int] | None:
    """How many items of the held-out set are items of the training set, where both are parts of one data set."""
    first, second = _parts(train), _parts(held_out)
    if first is None or second is None or first[0] is not second[0]:
        return None
    return len(first[1] & second[1]), len(second[1])


def _parts(dataset: Any) -> tuple[Any, set[int]] | None:
    if isinstance(dataset, Subset):
        inner = _parts(dataset.dataset)
        return None if inner is None else (inner[0], {int(index) for index in dataset.indices})
    length = _length(dataset)
    return None if length is None or length > 10_000_000 else (dataset, set(range(length)))


def _length(of: Any) -> int | None:
    try:
        return len(of)
    except (TypeError, NotImplementedError, AttributeError):
        return None


def _in_for_loop() -> bool:
    """Whether the iterator is being read by a `for`, which ends quietly, and by no next() of the script's."""
    import sys

    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith("gonogo.script"):
        frame = frame.f_back
    while frame is not None:
        if dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith("FOR_ITER"):
            return True
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package in ENDS_ON_STOP:
            return True
        if package != "torch":
            return False
        frame = frame.f_back
    return False
