"""What can go wrong with another machine."""

from __future__ import annotations

from gonogo.base.errors import UserError


class RemoteError(UserError):
    """A command, a transfer or a run on the machine failed."""


class Unreachable(RemoteError):
    """The machine does not answer, or the link to it dropped: trying again later can help."""


class NoSuchHost(Unreachable):
    """Its name leads nowhere: misspelt, or there is no network."""


class NotOurTurn(RemoteError):
    """Something else is at work on the machine, which runs one thing at a time: ask again later."""

    def __init__(self, where: str, waiting_for: str) -> None:
        super().__init__(f"{where}: {waiting_for} is at work there")
        self.waiting_for = waiting_for  # what is at work, safe to show
