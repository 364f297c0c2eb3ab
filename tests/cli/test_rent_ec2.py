"""`gonogo rent` at EC2: moto's server answers as Amazon's does, and OpenSSH's own boots what is rented there.

moto has no price list and no capacity to run out of: what stands before it answers for the one, and refuses.
"""

from __future__ import annotations

import functools
import getpass
import http.client
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.parse
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gonogo.cli.main import main
from gonogo.config.load import load_target
from gonogo.remote import providers
from gonogo.stages import rent_order, ways_to_go
from gonogo.stages.held_machines import held_machines
from tests.conftest import ROOT
from tests.remote.booting import Boot, boot
from tests.remote.sshd import NEEDED
from tests.waiting import LIMIT_S, wait_for

__all__ = ["boot"]

boto3 = pytest.importorskip("boto3")
moto = pytest.importorskip("moto.server")
pytestmark = NEEDED
REGION = "us-east-2"
PRICE = {"terms": {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": {"pricePerUnit": {"USD": "0.8048000000"}}}}}}}
BOX = """\
connection: {{kind: ssh, host: 203.0.113.99, user: {user}, port: {port}, key_file: {folder}/key, known_hosts: {folder}/known}}
accelerator: l4
usd_per_hour: 9
root: {folder}/root there
release: {{how: destroy, provider: ec2, tag: gonogo=box, region: us-east-2}}
rent:
  type: g6.xlarge
  image: {image}
  security_group: {group}
  max_usd_per_hour: 1.25
  answer_minutes: {minutes}
"""  # noqa: E501


class Amazon(ThreadingHTTPServer):
    """Stands before moto: answers for the price list, boots what is rented, and refuses on demand."""

    def __init__(self, behind: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.behind = behind
        self.prices: list[Any] = [json.dumps(PRICE)]
        self.refuses: dict[str, str] = {}  # action → status and code
        self.orders: list[dict[str, str]] = []
        self.boot: Any = lambda user_data: None
        self.keeps_silent = False  # after an order was carried out
        self.open_s = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Request(BaseHTTPRequestHandler):
    server: Amazon

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "GetProducts" in self.headers.get("X-Amz-Target", ""):
            self._say(200, json.dumps({"FormatVersion": "aws_v1", "PriceList": self.server.prices}).encode())
            return
        asked = dict(urllib.parse.parse_qsl(body.decode()))
        if refusal := self.server.refuses.get(asked["Action"]):
            status, _, code = refusal.partition(" ")
            error = f"<Error><Code>{code}</Code><Message>as Amazon says</Message></Error>"
            self._say(int(status), f"<Response><Errors>{error}</Errors></Response>".encode())
            return
        again = asked.get("ClientToken") in [order["ClientToken"] for order in self.server.orders]
        if again:  # which moto does not heed
            self._say(500, b"an order was sent twice")
            return
        link = http.client.HTTPConnection(*self.server.behind, timeout=LIMIT_S)
        link.request("POST", self.path, body, dict(self.headers))
        answer = link.getresponse()
        text = re.sub(rb"<ipAddress>[^<]*<", b"<ipAddress>127.0.0.1<", answer.read())
        if asked["Action"] == "RunInstances" and answer.status == 200:
            self.server.orders.append(asked)
            self.server.boot(b64decode(asked["UserData"]).decode())
            if self.server.keeps_silent:
                self.server.open_s.wait(LIMIT_S)
                return
        self._say(answer.status, text)

    def _say(self, code: int, text: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def behind() -> Iterator[tuple[str, int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # hundreds, which are slow to read
        yield from moto_server()


def moto_server() -> Iterator[tuple[str, int]]:
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def amazon(behind: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Amazon]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "planted-secret")
    server = Amazon(behind)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.open_s.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def owner(behind: tuple[str, int]) -> Any:
    """Amazon as its owner sees it."""
    keys = {"aws_access_key_id": "owner", "aws_secret_access_key": "owner"}
    return boto3.client("ec2", region_name=REGION, endpoint_url=f"http://{behind[0]}:{behind[1]}", **keys)


@pytest.fixture
def client(owner: Any) -> Iterator[Any]:
    """The same; at the end nothing runs there."""
    yield owner
    if left := [one["InstanceId"] for one in alive(owner)]:
        owner.terminate_instances(InstanceIds=left)


@pytest.fixture
def site(tmp_path: Path, amazon: Amazon, boot: Boot, client: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose target `box` can be rented, and nothing is."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for shipped in ("h200", "mi300x"):
        (tmp_path / f"config/targets/{shipped}.yaml").unlink()
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=LIMIT_S)
    amazon.boot = boot
    write_box(tmp_path, boot, client)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(providers, "PATIENCE_S", 0.1)
    monkeypatch.setattr(rent_order, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(rent_order, "LISTED_WITHIN_S", 0.2)
    monkeypatch.setattr(ways_to_go, "LOOK_EVERY_S", 0.05)
    return tmp_path


def write_box(site: Path, boot: Boot, client: Any, minutes: float = 1) -> None:
    group = client.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    text = BOX.format(
        user=getpass.getuser(), port=boot.port, folder=site, minutes=minutes, image=an_image(client), group=group
    )  # fmt: skip
    (site / "config/targets/box.yaml").write_text(text)


@functools.cache
def an_image(client: Any) -> str:
    return str(client.register_image(Name="ours", RootDeviceName="/dev/sda1")["ImageId"])


def alive(client: Any) -> list[Any]:
    """Instances that are billed, whoever rented them."""
    found = [one for group in client.describe_instances()["Reservations"] for one in group["Instances"]]
    return [one for one in found if one["State"]["Name"] not in ("shutting-down", "terminated")]


def said_by(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    return said.out + said.err


def test_rented_with_its_tag_and_released(
    site: Path, amazon: Amazon, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rent", "box", "--yes"]) == 0
    assert "answers at" in said_by(capsys)
    (machine,) = alive(client)
    tags = {tag["Key"]: tag["Value"] for tag in machine["Tags"]}
    assert tags["gonogo"] == "box" and len(tags["gonogo-order"]) == 32
    (order,) = amazon.orders
    assert order["ClientToken"] == tags["gonogo-order"]
    assert order["InstanceType"] == "g6.xlarge" and order["InstanceInitiatedShutdownBehavior"] == "terminate"
    assert order["BlockDeviceMapping.1.Ebs.DeleteOnTermination"] == "true" and "InstanceMarketOptions" not in order
    box = load_target(site / "config", "box")
    assert (box.connection.host, box.usd_per_hour) == ("127.0.0.1", 0.8048)  # type: ignore[union-attr]
    (held,) = held_machines(site / "results/held/box.json")
    assert held.machine and held.machine.id == machine["InstanceId"]
    assert main(["release", "--target", "box"]) == 0
    assert alive(client) == []


def test_spot_has_its_cap(site: Path, amazon: Amazon, client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rent", "box", "--spot", "--max-usd-per-hour", "0.5", "--yes"]) == 0
    (order,) = amazon.orders
    assert order["InstanceMarketOptions.MarketType"] == "spot"
    assert order["InstanceMarketOptions.SpotOptions.MaxPrice"] == "0.5"
    assert order["InstanceMarketOptions.SpotOptions.SpotInstanceType"] == "one-time"


REFUSED: list[tuple[list[str], dict[str, Any], str]] = [
    (["--max-usd-per-hour", "0.5"], {}, "costs $0.80 an hour, more than the $0.50 that are allowed"),
    ([], {"prices": []}, "has no price for 'g6.xlarge' in us-east-2"),
    ([], {"prices": ["{"]}, "the answer is no price list"),
    ([], {"prices": [json.dumps({"terms": {"OnDemand": {"a": {"priceDimensions": 3}}}})]}, "not as documented"),
    (["--spot", "--type", "x9.large"], {}, "has no spot machines 'x9.large'"),
    ([], {"refuses": {"RunInstances": "400 InstanceLimitExceeded"}}, "quota allows no more"),
    ([], {"refuses": {"RunInstances": "400 VcpuLimitExceeded"}}, "quota allows no more"),
    ([], {"refuses": {"RunInstances": "500 InsufficientInstanceCapacity"}}, "has none left at the moment"),
    ([], {"refuses": {"RunInstances": "400 SpotMaxPriceTooLow"}}, "cost more than rent.max_usd_per_hour"),
    ([], {"refuses": {"RunInstances": "403 UnauthorizedOperation"}}, "does not accept these credentials"),
    ([], {"refuses": {"RunInstances": "400 ExpiredToken"}}, "does not accept these credentials"),
    ([], {"refuses": {"RunInstances": "503 Unavailable"}}, "Unavailable"),
    ([], {"refuses": {"DescribeImages": "400 InvalidAMIID.NotFound"}}, "InvalidAMIID.NotFound"),
    ([], {"refuses": {"DescribeInstances": "400 ExpiredToken"}}, "ExpiredToken"),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "set_there", "sentence"), REFUSED)
def test_what_is_refused_is_one_sentence_and_nothing_is_rented(
    site: Path, amazon: Amazon, client: Any, capsys: pytest.CaptureFixture[str], flags: list[str],
    set_there: dict[str, Any], sentence: str,
) -> None:  # fmt: skip
    for name, value in set_there.items():
        setattr(amazon, name, value)
    assert main(["rent", "box", "--yes", *flags]) == 1
    said = said_by(capsys)
    assert sentence in said and "Traceback" not in said and "planted-secret" not in said
    assert alive(client) == [] and not (site / "results/rented/box.json").exists()


def test_killed_while_amazon_answers_and_run_again_there_is_one_machine(
    site: Path, amazon: Amazon, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    amazon.keeps_silent = True
    command = [sys.executable, "-m", "gonogo", "rent", "box", "--yes"]
    renting = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: bool(amazon.orders))
    renting.send_signal(signal.SIGKILL)
    renting.wait(timeout=LIMIT_S)
    assert len(alive(client)) == 1 and (site / "results/rented/box.json").exists()
    assert main(["machines"]) == 1 and "ORPHAN" in said_by(capsys)
    amazon.keeps_silent = False
    assert main(["rent", "box", "--yes"]) == 0
    assert "continuing with i-" in said_by(capsys)
    assert len(alive(client)) == 1 and len(amazon.orders) == 1


def test_sigterm_releases_it(site: Path, boot: Boot, client: Any) -> None:
    boot.dead = True
    command = [sys.executable, "-m", "gonogo", "rent", "box", "--yes"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as renting:
        wait_for(lambda: bool(alive(client)) and "machine_id" in (site / "results/rented/box.json").read_text())
        assert renting.stderr is not None
        assert "waiting until it answers" in renting.stderr.readline()
        renting.send_signal(signal.SIGTERM)
        _, said = renting.communicate(timeout=LIMIT_S)
    assert "nothing is rented" in said and alive(client) == []


def test_one_that_never_answers_is_released(
    site: Path, boot: Boot, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    boot.dead = True
    write_box(site, boot, client, minutes=0.01)
    assert main(["rent", "box", "--yes"]) == 1
    assert "did not answer within 0.01 min" in said_by(capsys) and alive(client) == []


def test_one_that_ends_by_itself_is_said(
    site: Path, boot: Boot, amazon: Amazon, client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    boot.dead = True
    amazon.boot = lambda _: client.terminate_instances(InstanceIds=[one["InstanceId"] for one in alive(client)])
    assert main(["rent", "box", "--yes"]) == 1
    assert "is gone" in said_by(capsys) and alive(client) == []
