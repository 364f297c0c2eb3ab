"""The form by which a person approves a sample on the served page, and what is asked of an answer to it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from gonogo.base.errors import UserError

MOST_BYTES = 16_384  # of an answer
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Approver:
    """What a server needs to let people approve, by the name of the experiment.

    digest: of the sample as it is now; raises UserError where there is none.
    given: who has approved this very sample, and when; empty: nobody.
    record: experiment, by, note and digest; raises UserError.
    """

    digest: Callable[[str], str]
    given: Callable[[str], str]
    record: Callable[[str, str, str, str], object]


@dataclass(frozen=True)
class ApprovalForm:
    """What the page shows: a form, or who has approved."""

    experiment: str
    digest: str
    token: str
    given: str


class Forms:
    """Makes forms and reads their answers: a token counts for one experiment, one sample and this server alone."""

    def __init__(self, approver: Approver) -> None:
        self._approver, self._key = approver, secrets.token_bytes(32)

    def form(self, experiment: str) -> ApprovalForm | None:
        """None where there is no sample to approve."""
        try:
            digest, given = self._approver.digest(experiment), self._approver.given(experiment)
        except (UserError, OSError):
            return None
        return ApprovalForm(experiment, digest, self._token(experiment, digest), given)

    def answer(self, experiment: str, body: bytes) -> None:
        """Record what was sent.

        Raises:
            PermissionError: it was sent from no form of this server.
            UserError: the sample is another one by now, or there is no name.
        """
        sent = parse_qs(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=8)
        one = {name: values[0] for name, values in sent.items() if len(values) == 1}
        digest, token = one.get("digest", ""), one.get("token", "")
        if not hmac.compare_digest(token.encode(), self._token(experiment, digest).encode()):
            raise PermissionError
        if not one.get("by", "").strip():
            raise UserError("an approval needs a name")
        self._approver.record(experiment, one["by"], one.get("note", ""), digest)

    def _token(self, experiment: str, digest: str) -> str:
        said = f"{experiment}\0{digest}".encode(errors="surrogatepass")
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()
