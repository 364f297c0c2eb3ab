"""The recipes of docs/cloud.md for other providers, against stand-ins of their programs on PATH."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gonogo.cli.main import main
from gonogo.config.load import load_target
from gonogo.config.target import Release, Rent
from gonogo.remote.providers import FailsInPassing
from gonogo.remote.rent_command import CommandRental
from gonogo.remote.rental import Order, cloud_config, new_host_key, start_script
from gonogo.stages import rent_order, ways_to_go
from tests.conftest import ROOT
from tests.remote.booting import Boot, boot
from tests.remote.sshd import NEEDED
from tests.waiting import LIMIT_S

__all__ = ["boot"]

pytestmark = NEEDED
RECIPES = {
    re.search(r"(sky|vastai|curl)", block).group(1): yaml.safe_load(block)  # type: ignore[union-attr]
    for block in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/cloud.md").read_text(), re.DOTALL)
    if "provider: command" in block
}
# one program for all: it knows which it is by its name, checks what it is asked, and keeps its machine in a file
STAND_IN = f"""#!{sys.executable}
import base64, json, os, pathlib, re, stat, sys
import yaml

here, words = pathlib.Path(__file__).parent, sys.argv[1:]
program, machine, port = pathlib.Path(__file__).name, here / "machine.json", int((here / "port").read_text())
assert "PRIVATE" not in " ".join(words) and "planted-secret" not in " ".join(words)
with (here / "asked").open("a") as asked:
    print(program, *words, file=asked)


def made(name, script):
    assert "ed25519_key" in script and "OPENSSH PRIVATE KEY" in script and not machine.exists()
    machine.write_text(json.dumps({{"name": name}}))


def read(path):
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    return pathlib.Path(path).read_text()


there = json.loads(machine.read_text()) if machine.exists() else None
if (here / "broken").exists():
    sys.exit("no login")
if program == "sky":
    match words:
        case ["launch", "-y", "-d", "-c", name, task]:
            task = yaml.safe_load(pathlib.Path(task).read_text())
            assert set(task) == {{"resources", "file_mounts", "setup"}}
            ((place, file),) = task["file_mounts"].items()
            assert f"sudo sh {{place}}" in task["setup"]
            made(name, read(file))
        case ["status", "--ip", name]:
            print("127.0.0.1") if there and there["name"] == name else sys.exit(1)
        case ["status", "--refresh"]:
            print("Clusters\\nNAME  INFRA  STATUS")
            print(f"{{there['name']}}  AWS  UP" if there else "No existing clusters.")
        case ["down", "-y", name]:
            machine.unlink()
        case _:
            sys.exit(2)
elif program == "vastai":
    match words:
        case ["search", "offers", query, "-o", "dph_total", "--raw"]:
            assert "dph_total<=3.5" in query
            print(json.dumps([{{"id": 17, "dph_total": 3.1}}, {{"id": 18, "dph_total": 3.4}}]))
        case ["create", "instance", "17", "--image", _, "--disk", "100", "--label", name, "--ssh", "--direct", "--onstart", file]:
            made(name, read(file))
            print("Started. {{'success': True, 'new_contract': 42}}")
        case ["show", "instances", "--raw"]:
            ports = {{"22/tcp": [{{"HostIp": "0.0.0.0", "HostPort": str(port)}}]}}
            one = {{"id": 42, "label": there and there["name"], "public_ipaddr": "127.0.0.1", "ports": ports}}
            print(json.dumps([{{"id": 3, "label": None}}, one] if there else [{{"id": 3, "label": None}}]))
        case ["destroy", "instance", "42"]:
            machine.unlink()
        case _:
            sys.exit(2)
else:
    assert sys.stdin.read() == 'header = "Authorization: Bearer planted-secret"' and words[:3] == ["-sSf", "--config", "-"]
    match words[3:]:
        case ["-H", "Content-Type: application/json", "--data", file, "https://rest.runpod.io/v1/pods"]:
            pod = json.loads(read(file.removeprefix("@")))
            assert pod["ports"] == ["22/tcp"] and pod["dockerStartCmd"][:2] == ["bash", "-c"]
            made(pod["name"], base64.b64decode(pod["env"]["START"]).decode())
        case ["-X", "DELETE", "https://rest.runpod.io/v1/pods/p42"]:
            machine.unlink()
        case [url] if url.startswith("https://rest.runpod.io/v1/pods"):
            one = {{"id": "p42", "name": there and there["name"], "publicIp": "127.0.0.1", "portMappings": {{"22": port}}}}
            print(json.dumps([one] if there else []))
        case _:
            sys.exit(2)
"""  # noqa: E501


@pytest.fixture(params=["sky", "vastai", "curl"])
def site(request: pytest.FixtureRequest, tmp_path: Path, boot: Boot, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose target `box` is rented as one recipe says, and the stand-in in `bin`."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for shipped in ("h200", "mi300x"):
        (tmp_path / f"config/targets/{shipped}.yaml").unlink()
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=LIMIT_S)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / request.param).write_text(STAND_IN)
    (programs / request.param).chmod(0o755)
    (programs / "port").write_text(str(boot.port))
    login = {"kind": "ssh", "host": "203.0.113.99", "user": getpass.getuser(), "port": boot.port}
    target = {
        "connection": {**login, "key_file": str(key), "known_hosts": str(tmp_path / "known")},
        "root": str(tmp_path / "root there"),
        **RECIPES[request.param],
    }
    (tmp_path / "config/targets/box.yaml").write_text(yaml.safe_dump(target))
    rented = CommandRental.ask

    def ask_and_boot(there: CommandRental, order: Order) -> str:
        machine_id = rented(there, order)
        boot(cloud_config(order))
        return machine_id

    monkeypatch.setattr(CommandRental, "ask", ask_and_boot)
    monkeypatch.setattr(rent_order, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(rent_order, "LISTED_WITHIN_S", 0.2)
    monkeypatch.setattr(ways_to_go, "LOOK_EVERY_S", 0.05)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("RUNPOD_API_KEY", "planted-secret")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_recipe_rents_and_releases(site: Path, boot: Boot, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rent", "box", "--yes"]) == 0
    assert (site / "bin/machine.json").exists()
    connection = load_target(site / "config", "box").connection
    assert (connection.host, connection.port) == ("127.0.0.1", boot.port)  # type: ignore[union-attr]
    assert main(["rent", "box", "--yes"]) == 0
    assert "is rented already" in capsys.readouterr().err
    assert main(["release", "--target", "box"]) == 0
    assert not (site / "bin/machine.json").exists()
    assert not any((site / name).exists() for name in ("results/held/box.json", "results/rented/box.json"))
    assert "planted-secret" not in (site / "bin/asked").read_text()


def test_where_the_provider_cannot_be_asked_nothing_is_rented(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site / "bin/broken").touch()
    assert main(["rent", "box", "--yes"]) == 1
    assert "release.gone_command does not say that there is no machine yet" in capsys.readouterr().err
    assert not (site / "bin/machine.json").exists()


def test_the_start_script_plants_the_host_key(tmp_path: Path) -> None:
    private, public = new_host_key()
    order = Order(
        target="box", rent=Rent(), usd_per_hour=1, login_key="ssh-ed25519 LOGIN", host_key=public,
        private_host_key=private,
    )  # fmt: skip
    (tmp_path / "ssh").mkdir()
    (tmp_path / "ssh/ssh_host_rsa_key").touch()
    (tmp_path / "service").write_text("#!/bin/sh\necho $* > restarted\n")
    (tmp_path / "service").chmod(0o755)
    script = start_script(order).replace("/etc/ssh", str(tmp_path / "ssh"))
    there = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh"], input=script, text=True, check=True, cwd=tmp_path, env=there, timeout=LIMIT_S)
    key = tmp_path / "ssh/ssh_host_ed25519_key"
    assert key.stat().st_mode & 0o777 == 0o600 and not (tmp_path / "ssh/ssh_host_rsa_key").exists()
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True, timeout=LIMIT_S
    )  # fmt: skip
    assert shown.stdout.split()[:2] == public.split()
    assert (tmp_path / ".ssh/authorized_keys").read_text() == "ssh-ed25519 LOGIN\n"
    assert (tmp_path / "restarted").read_text() == "ssh restart\n"


@pytest.mark.parametrize(
    "said", ["{", '{"host": "-oProxyCommand=x"}', '{"host": "a b"}', '{"host": "h", "port": 0}', "[]"]
)
def test_an_address_is_hostile_until_it_is_parsed(said: str) -> None:
    there = CommandRental(Rent(address_command=f"echo {json.dumps(said)}"), Release(), 1.0)
    with pytest.raises(FailsInPassing, match=r"rent.address_command"):
        there.look("")
