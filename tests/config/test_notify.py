"""The entries of `notify`: which are URLs, and which of them everybody could read."""

from __future__ import annotations

import pytest

from gonogo.base.errors import UserError
from gonogo.base.text import clean
from gonogo.config.load import load, validate
from gonogo.config.notify import is_url, literal_secret
from gonogo.config.workflow import Config
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("https://ntfy.sh/topic", True), ("mailto://x@y.org", True), ("${HOOK}", True), ("notify-send x", False),
        ("curl https://ntfy.sh/x", False), ("$HOOK", False), (["https://ntfy.sh/topic"], False),
    ],
)  # fmt: skip
def test_urls_are_told_from_commands(entry: str | list[str], url: bool) -> None:
    assert is_url(entry) is url


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("https://discord.com/api/webhooks/1/s3cret", "holds its token"),
        ("tgram://1:s3cret/7", "holds its token"),
        ("mailtos://me:s3cret@example.org", "holds a password"),
        ("mailtos://me:${MAIL_PASSWORD}@example.org", ""),
        ("https://discord.com/api/webhooks/1/${TOKEN}", ""),
        ("https://ntfy.sh/topic", ""),
        ("https://[", ""),
    ],
)
def test_a_secret_that_is_written_out_is_refused_without_repeating_it(entry: str, what: str) -> None:
    said = literal_secret([entry])
    assert what in said and bool(said) == bool(what) and "s3cret" not in said
    if what:
        with pytest.raises(UserError, match=what):
            load({"experiments": "cvs", "notify": [entry]}, ROOT)


def test_what_a_variable_holds_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_OF_NOBODY", "https://hooks.slack.com/services/T0/B0/wh1sper")
    settings = load({"experiments": "cvs", "notify": "${HOOK_OF_NOBODY}"}, ROOT)
    assert settings.config.notify == ["${HOOK_OF_NOBODY}"]
    assert clean("to https://hooks.slack.com/services/T0/B0/wh1sper") == "to [HOOK_OF_NOBODY]"


@pytest.mark.parametrize("wrong", [[[]], [""], [{"url": "https://x.org/s3cret"}], {"s3cret": 1}])
def test_what_is_no_entry_is_refused_without_its_value(wrong: object) -> None:
    with pytest.raises(UserError, match="notify") as refused:
        validate(Config, {"notify": wrong}, "config/config.yaml")
    assert "s3cret" not in str(refused.value)
