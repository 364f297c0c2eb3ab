"""EC2 against moto's server, which answers as Amazon's does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from gonogo.base.errors import UserError
from gonogo.remote import providers
from gonogo.remote.providers import Ec2, FailsInPassing, patiently
from gonogo.stages.held_machines import Unknown
from gonogo.stages.ways_to_go import wait_until_gone

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto.server")
REGION = "us-east-2"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def rent(client: Any, tag: str) -> str:
    image = client.describe_images()["Images"][0]["ImageId"]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "gonogo", "Value": tag}]}]
    made = client.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tags)
    return str(made["Instances"][0]["InstanceId"])


def test_terminates_the_one_with_the_tag_and_sees_it_gone(endpoint: str) -> None:
    client = boto3.client("ec2", region_name=REGION, endpoint_url=endpoint)
    ours, other = rent(client, "run-7"), rent(client, "run-8")
    there = Ec2("gonogo=run-7", REGION, endpoint)
    (found,) = there.find()
    assert found.id == ours and found.addresses
    assert not there.is_gone(found)
    there.destroy(found)
    wait_until_gone(there, found, within_s=5)
    there.destroy(found)  # again: nothing happens
    assert there.find() == []
    assert [machine.id for machine in Ec2("gonogo=run-8", REGION, endpoint).find()] == [other]


# --- faults of the service, through the real client --------------------------------------------------------


class Amazon(ThreadingHTTPServer):
    """Answers with what `script` says next, and with a machine that is listed, then."""

    script: ClassVar[list[str]] = []
    asked: ClassVar[list[str]] = []
    gone = False


class Answer(BaseHTTPRequestHandler):
    server: Amazon

    def do_POST(self) -> None:
        action = self.rfile.read(int(self.headers["Content-Length"])).decode().partition("&")[0]
        self.server.asked.append(action)
        fault = self.server.script.pop(0) if self.server.script else ""
        if fault == "hangs":
            time.sleep(1.5)
        elif fault == "half":
            self._say(200, "<DescribeInstancesResponse><reservationSet><item>")
        elif fault:
            code, _, name = fault.partition(" ")
            error = f"<Error><Code>{name}</Code><Message>m</Message></Error>"
            self._say(int(code), f"<Response><Errors>{error}</Errors></Response>")
        else:
            self.server.gone |= "Terminate" in action
            self._say(200, LISTED.format(state="terminated" if self.server.gone else "running"))

    def _say(self, code: int, text: str) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


LISTED = (
    "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>"
    "<instanceState><name>{state}</name></instanceState><ipAddress>203.0.113.7</ipAddress></item></instancesSet></item>"
    "</reservationSet></DescribeInstancesResponse>"
)


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Amazon]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr(providers, "ANSWER_S", 0.5)
    monkeypatch.setattr(providers, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(providers, "PATIENCE_S", 20.0)
    server = Amazon(("127.0.0.1", 0), Answer)
    server.script, server.asked = [], []  # type: ignore[misc]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def there(amazon: Amazon) -> Ec2:
    return Ec2("gonogo=run-7", REGION, f"http://127.0.0.1:{amazon.server_port}")


PASSING = [
    "400 ThrottlingException", "503 RequestLimitExceeded", "400 RequestThrottled", "500 InternalError", "400 SlowDown",
    "hangs", "half",
]  # fmt: skip


def test_what_passes_is_tried_again_and_said_once(amazon: Amazon, there: Ec2) -> None:
    for fault in PASSING:
        said: list[str] = []
        amazon.script += [fault] * 3  # the client itself tries twice
        (found,) = patiently(there.find, said.append)
        assert (found.id, found.addresses) == ("i-1", ("203.0.113.7",)), fault
        assert len(said) == 1 and "EC2: describe instances" in said[0] and "Trying again" in said[0], fault
    amazon.script += ["503 RequestLimitExceeded"] * 3
    patiently(lambda: there.destroy(found), said.append)
    wait_until_gone(there, found, within_s=5)


def test_a_token_that_expires_in_the_middle_is_no_gone_machine(amazon: Amazon, there: Ec2) -> None:
    (found,) = there.find()
    there.destroy(found)
    amazon.script += ["400 RequestExpired"] * 100
    with pytest.raises(Unknown, match=r"WHETHER IT IS GONE IS UNKNOWN.*RequestExpired"):
        wait_until_gone(there, found, within_s=0.3)
    for code in ("400 ExpiredToken", "401 AuthFailure", "403 UnauthorizedOperation"):
        amazon.script[:] = [code]
        amazon.asked.clear()
        with pytest.raises(UserError) as refused:
            patiently(there.find, pytest.fail)
        assert not isinstance(refused.value, FailsInPassing) and len(amazon.asked) == 1, "another try changes nothing"


def test_one_that_is_throttled_for_good_is_unknown_and_never_gone(amazon: Amazon, there: Ec2) -> None:
    (found,) = there.find()
    amazon.script += ["503 RequestLimitExceeded"] * 1000
    with pytest.raises(Unknown, match="RequestLimitExceeded"):
        wait_until_gone(there, found, within_s=0.3)


def test_what_amazon_refuses_is_told(endpoint: str) -> None:
    with pytest.raises(UserError, match="EC2: describe instances"):
        Ec2("gonogo=run-7", REGION, "http://127.0.0.1:9").find()
