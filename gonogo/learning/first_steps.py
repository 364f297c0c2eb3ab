"""The first steps on one batch, examined: what losses are given, and batch norms that need more samples."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from gonogo.learning.loss_calls import LossCall, SeenError
from gonogo.learning.watch_loss_calls import LossCallWatch, watched_call

LOOKED_AT = 3  # steps
OWN = Path(__file__).parents[1]
INSTALLED = ("site-packages", "dist-packages")


class Shown(TorchFunctionMode):
    """Shows calls of torch's functions to those who watch them."""

    def __init__(self, watched: Any) -> None:
        super().__init__()
        self.watched = watched

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return watched_call(self.watched, func, args, kwargs)


class FirstSteps:
    """Watches the first few training steps of a module.

    Attributes:
        alone: a batch norm that sees one value a channel in a batch of one, by name; empty: there is none.
        apart: a batch norm in eval mode, by name → how far the channels' means lie from those that it keeps, in its own
            standard deviations, median.
    """

    in_backward = False
    watching = True

    def __init__(self, module: nn.Module, samples: int) -> None:
        self.module, self.alone = module, ""
        self.apart: dict[str, float] = {}
        self._left = LOOKED_AT
        self._broken: set[str] = set()
        self._calls = LossCallWatch(self, batch_size=lambda: samples)
        self._theirs: dict[CodeType, bool] = {}

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Around a training step; after the first few it does nothing."""
        if not self._left:
            yield
            return
        self._left -= 1
        norms = {part: name for name, part in self.module.named_modules() if isinstance(part, _BatchNorm)}
        hooks = [part.register_forward_pre_hook(self._batch_norm(name)) for part, name in norms.items()]
        try:
            with Shown(self._calls.watched()):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def _batch_norm(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def look(module: nn.Module, given: tuple[Any, ...]) -> None:
            x = given[0] if given else None
            if not isinstance(x, Tensor) or x.ndim < 2:
                return
            if module.training and x.numel() == x.shape[0] * x.shape[1]:
                self.alone = self.alone or name
            elif not module.training and module.running_mean is not None and module.running_var is not None:
                mean: Any = x.detach().float().transpose(0, 1).flatten(1).mean(1)
                far = (mean - module.running_mean).abs() / (module.running_var + module.eps).sqrt()  # type: ignore[operator]
                self.apart.setdefault(name, float(far.median()))

        return look

    @property
    def calls(self) -> list[LossCall]:
        """One for each line; without the values that losses returned."""
        return [call.model_copy(update={"values": []}) for call in self._calls.calls.values()]

    def explains(self, error: Exception) -> SeenError | None:
        """What was seen just before this error of a step and is its reason; None: it is the project's own matter."""
        if isinstance(error, ValueError) and "more than 1 value per channel" in str(error):
            return SeenError(
                check="last_batch", why=f"`{self.alone or 'batch norm'}` needs more than one value a channel, and a "
                "batch is one sample", hint="Take batches of two samples or more, or a group norm.",
            )  # fmt: skip
        if isinstance(error, (IndexError, RuntimeError)) and self._calls.explains.check:
            return self._calls.explains
        return None

    def where(self) -> str:
        """`model.py:34`: the project's line that is running; empty where none is."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            code = frame.f_code
            known = self._theirs.get(code)
            if known is None:
                path = Path(code.co_filename)
                known = path.suffix == ".py" and not path.is_relative_to(OWN)
                known = self._theirs[code] = known and not any(part in INSTALLED for part in path.parts)
            if known:
                return f"{Path(code.co_filename).name}:{frame.f_lineno}"
            frame = frame.f_back
        return ""

    def guard(self, watcher: str, look: Callable[..., Any], *args: Any) -> Any:
        """Call a watcher; an error of ours ends that watcher, never the training."""
        if watcher in self._broken:
            return None
        try:
            return look(*args)
        except Exception:
            self._broken.add(watcher)
            return None
