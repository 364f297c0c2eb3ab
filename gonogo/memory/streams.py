"""Streams and events of a card that is not there."""

from __future__ import annotations

from typing import Any

import torch


def _always(value: Any) -> Any:
    return lambda *args, **kwargs: value


class CardStream:
    """Work is done in order, whatever stream it is put into."""

    device = torch.device("cuda", 0)
    cuda_stream = stream_id = 0
    query = staticmethod(_always(True))
    is_capturing = staticmethod(_always(False))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        pass

    synchronize = wait_stream = wait_event = _nothing

    def record_event(self, event: CardEvent | None = None) -> CardEvent:
        return event or CardEvent()

    def __enter__(self) -> CardStream:
        return self

    def __exit__(self, *problem: Any) -> None:
        pass


class CardEvent:
    """Has always happened already; a millisecond lies between any two."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def _nothing(self, *args: Any, **kwargs: Any) -> None:
        pass

    record = wait = synchronize = _nothing
    query = staticmethod(_always(True))
    elapsed_time = staticmethod(_always(1.0))
