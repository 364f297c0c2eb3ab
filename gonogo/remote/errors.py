"""What can go wrong with another machine."""

from __future__ import annotations

from gonogo.base.errors import UserError


class RemoteError(UserError):
    """A command, a transfer or a run on the machine failed."""


class Unreachable(RemoteError):
    """The machine does not answer, or the link to it dropped: trying again later can help."""


class NoSuchHost(Unreachable):
    """Its name leads nowhere: misspelt, or there is no network."""
