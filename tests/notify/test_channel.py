"""What each service is sent, and what is said of one that does not take it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from gonogo.base.text import clean
from gonogo.notify.channel import NotTaken, name_of, send
from gonogo.notify.notice import Notice, notice
from tests.notify.receiver import Receiver, as_proxy, receiver

__all__ = ["as_proxy", "receiver"]

PNG = b"\x89PNG not really"


@pytest.fixture
def told(tmp_path: Path) -> Notice:
    (tmp_path / "sheet.png").write_bytes(PNG)
    return notice(
        "no_go", "🔴 NO-GO quality", "It is dark \x1b[2J<!channel>.", hint="Open it", experiment="mine", mode="fast",
        picture=tmp_path / "sheet.png",
    )  # fmt: skip


def test_any_web_address_gets_json(receiver: Receiver, told: Notice) -> None:
    send(f"{receiver.url}/hook?key=1", told, 5)
    (one,) = receiver.told
    assert one.path == "/hook?key=1" and one.headers["Content-Type"] == "application/json"
    assert json.loads(one.body) == {
        "event": "no_go", "title": "🔴 NO-GO quality", "sentence": "It is dark <!channel>.", "hint": "Open it",
        "experiment": "mine", "mode": "fast",
    }  # fmt: skip


def test_ntfy_gets_words_as_parameters_and_the_picture_as_its_body(as_proxy: Receiver, told: Notice) -> None:
    send("http://ntfy.sh/topic", told, 5)
    (one,) = as_proxy.told
    options = parse_qs(urlsplit(one.path).query)
    assert urlsplit(one.path).netloc == "ntfy.sh" and one.body == PNG and options["filename"] == ["sheet.png"]
    assert options["title"] == ["🔴 NO-GO quality"] and "It is dark" in options["message"][0]


def test_slack_gets_text_in_which_no_word_is_a_mention(as_proxy: Receiver, told: Notice) -> None:
    send("http://hooks.slack.com/services/T/B/X", told, 5)
    said = json.loads(as_proxy.told[0].body)["text"]
    assert "&lt;!channel&gt;" in said and "*🔴 NO-GO quality*" in said and "→ Open it" in said


def test_discord_gets_the_picture_and_mentions_nobody(as_proxy: Receiver, told: Notice) -> None:
    send("http://discord.com/api/webhooks/1/x", told, 5)
    (one,) = as_proxy.told
    assert one.headers["Content-Type"].startswith("multipart/form-data") and PNG in one.body
    assert b'"allowed_mentions": {"parse": []}' in one.body


def test_telegram_gets_a_photo_or_where_there_is_none_a_message(as_proxy: Receiver, told: Notice) -> None:
    url = "http://api.telegram.org/bot1:x/sendMessage?chat_id=7"
    send(url, told, 5)
    send(url, notice("end", "title", "words"), 5)
    photo, message = as_proxy.told
    assert photo.path.endswith("/sendPhoto?chat_id=7") and PNG in photo.body and b'name="caption"' in photo.body
    assert message.path == url and json.loads(message.body) == {"text": "title\nwords"}


def test_a_picture_that_is_refused_is_left_out(as_proxy: Receiver, told: Notice) -> None:
    as_proxy.answers = [413]
    send("http://ntfy.sh/topic", told, 5)
    assert [one.body == PNG for one in as_proxy.told] == [True, False] and b"It is dark" in as_proxy.told[1].body


def test_apprise_reaches_what_is_no_web_address(receiver: Receiver, told: Notice) -> None:
    pytest.importorskip("apprise", reason="the extra `notify` is not installed")
    send(receiver.url.replace("http:", "json:") + "/hook", told, 5)
    (one,) = receiver.told
    said = json.loads(one.body)
    assert said["title"] == "🔴 NO-GO quality" and "It is dark" in said["message"]
    assert said["type"] == "failure" and len(said["attachments"]) == 1
    receiver.answers = [500, 500]
    with pytest.raises(NotTaken, match="refused it"):
        send(receiver.url.replace("http:", "json:") + "/hook", told, 5)


def test_without_apprise_it_is_said_how_to_get_it(told: Notice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(NotTaken, match=r"pip install 'gonogo\[notify\]'"):
        send("mailto://somebody@example.org", told, 5)


def test_a_command_is_told_in_its_environment_and_on_its_input(tmp_path: Path, told: Notice) -> None:
    program = (
        "import json, os, pathlib, sys; told = json.load(sys.stdin); "
        "pathlib.Path(sys.argv[1]).write_text(told['title'] + os.environ['GONOGO_SENTENCE'])"
    )
    send([sys.executable, "-c", program, str(tmp_path / "as list; $(touch x)")], told, 60)
    assert (tmp_path / "as list; $(touch x)").read_text() == "🔴 NO-GO qualityIt is dark <!channel>."
    send(f'printf %s "$GONOGO_EVENT $GONOGO_PICTURE" > {tmp_path}/line.txt', told, 60)
    assert (tmp_path / "line.txt").read_text() == f"no_go {tmp_path}/sheet.png"


def test_words_of_others_are_no_shell_text(tmp_path: Path) -> None:
    evil = notice("no_go", f"$(touch {tmp_path}/evil)", f"`touch {tmp_path}/evil`; touch {tmp_path}/evil")
    send('echo "$GONOGO_TITLE $GONOGO_SENTENCE" > /dev/null', evil, 60)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("echo no route >&2; exit 3", "exit code 3: no route"),
        (["/nowhere/to/be/found"], "cannot be started"),
        ("sleep 600", "did not end within 0.5 s"),
    ],
)
def test_a_command_that_fails_says_how(command: str | list[str], reason: str, told: Notice) -> None:
    with pytest.raises(NotTaken, match=reason):
        send(command, told, 0.5 if command == "sleep 600" else 60)


def test_the_secret_of_a_url_comes_from_the_environment_and_is_shown_nowhere(
    receiver: Receiver, told: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_OF_OURS", f"{receiver.url}/s3cret-token")
    monkeypatch.setenv("TOKEN_OF_OURS", "0ther-s3cret")
    send("${HOOK_OF_OURS}", told, 5)
    receiver.answers = [404]
    with pytest.raises(NotTaken) as refused:
        send(f"{receiver.url}/${{TOKEN_OF_OURS}}", told, 5)
    assert [one.path for one in receiver.told] == ["/s3cret-token", "/0ther-s3cret"]
    assert "answered 404" in str(refused.value) and "s3cret" not in str(refused.value)
    assert "s3cret" not in clean(f"somebody says {receiver.url}/s3cret-token and 0ther-s3cret")
    monkeypatch.delenv("TOKEN_OF_OURS")
    with pytest.raises(NotTaken, match="TOKEN_OF_OURS is not set"):
        send("https://ntfy.sh/${TOKEN_OF_OURS}", told, 5)


def test_a_name_holds_no_secret() -> None:
    named = {
        "https://user:pass@ntfy.sh/topic": "ntfy.sh", "tgram://123:token/7": "tgram", "${HOOK}": "${HOOK}",
        "KEY=secret send it": "a command", "/usr/bin/notify-send -u low": "notify-send",
    }  # fmt: skip
    assert {entry: name_of(entry) for entry in named} == named
    assert name_of(["/opt/tell.sh", "--key", "secret"]) == "tell.sh"
