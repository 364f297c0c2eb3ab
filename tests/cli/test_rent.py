"""`gonogo rent` at DigitalOcean: one machine, or none. The server checks what it is asked; OpenSSH's own boots."""

from __future__ import annotations

import getpass
import hashlib
import json
import shutil
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
import yaml

from gonogo.cli.main import main
from gonogo.config.load import load_target
from gonogo.config.target import Rent
from gonogo.remote import providers
from gonogo.remote.rent_digitalocean import DigitalOceanRental
from gonogo.remote.rental import Order, cloud_config, new_host_key
from gonogo.stages import rent, rent_order, ways_to_go
from gonogo.stages.held_machines import held_machines
from tests.conftest import ROOT
from tests.remote.booting import Boot, boot
from tests.remote.droplets import Cloud, cloud
from tests.remote.sshd import NEEDED
from tests.waiting import LIMIT_S

__all__ = ["boot", "cloud"]

pytestmark = NEEDED
BOX = """\
# mine
connection: {{kind: ssh, host: 203.0.113.99, user: {user}, port: {port}, key_file: {folder}/key, known_hosts: {folder}/known}}  # filled in
accelerator: mi300x
root: {folder}/root there
release:  # at the end
  how: destroy
  provider: digitalocean
  tag: gonogo-box
rent: {{types: {{mi300x: gpu-mi300x1-192gb, l4: gpu-l4, h200: gpu-h200x1-141gb, a100_40: gpu-a100}}, type: gpu-mi300x1-192gb, image: gpu-amd-base, region: atl1, max_usd_per_hour: 2, answer_minutes: {minutes}}}
"""  # noqa: E501


@pytest.fixture
def site(tmp_path: Path, cloud: Cloud, boot: Boot, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose target `box` can be rented, and nothing is."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    for shipped in ("h200", "mi300x"):
        (tmp_path / f"config/targets/{shipped}.yaml").unlink()
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=LIMIT_S)
    digest = hashlib.md5(b64decode(key.with_suffix(".pub").read_text().split()[1])).hexdigest()
    cloud.keys.append(":".join(digest[i : i + 2] for i in range(0, 32, 2)))
    cloud.boot = boot
    write_box(tmp_path, boot)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "good-token")
    monkeypatch.setattr(providers, "DIGITALOCEAN", cloud.url)
    monkeypatch.setattr(providers, "PATIENCE_S", 0.1)
    monkeypatch.setattr(rent_order, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(rent_order, "LISTED_WITHIN_S", 0.2)
    monkeypatch.setattr(ways_to_go, "LOOK_EVERY_S", 0.05)
    return tmp_path


def write_box(site: Path, boot: Boot, minutes: float = 1) -> None:
    text = BOX.format(user=getpass.getuser(), port=boot.port, folder=site, minutes=minutes)
    (site / "config/targets/box.yaml").write_text(text)


def order_is_open(site: Path) -> bool:
    return (site / "results/rented/box.json").exists()


def said_by(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    return said.out + said.err


def test_rented_once_used_and_released(site: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rent", "box", "--yes"]) == 0
    said = said_by(capsys)
    assert "rented 9; waiting until it answers" in said and "answers at" in said
    (order,) = cloud.bodies
    assert order["tags"] == ["gonogo-box"] and order["region"] == "atl1"

    text = (site / "config/targets/box.yaml").read_text()
    assert "# mine\n" in text and "# filled in\n" in text and "# at the end\n" in text
    box = load_target(site / "config", "box")
    assert (box.connection.host, box.usd_per_hour) == ("127.0.0.1", 1.99)  # type: ignore[union-attr]
    planted = yaml.safe_load(order["user_data"])["ssh_keys"]["ed25519_public"]
    assert f"]:{box.connection.port} {planted} gonogo-rent\n" in (site / "known").read_text()  # type: ignore[union-attr]
    assert not order_is_open(site)

    assert main(["machines"]) == 0
    assert f"HELD  127.0.0.1 ({order['name']}, 9), target box" in said_by(capsys)
    (held,) = held_machines(site / "results/held/box.json")
    assert held.usd_per_hour == 1.99 and held.machine and held.machine.id == "9"

    assert main(["rent", "box", "--yes"]) == 0
    assert "is rented already" in said_by(capsys) and len(cloud.bodies) == 1
    assert main(["release", "--target", "box"]) == 0
    assert sorted(cloud.droplets) == [7, 8], "ours is gone, the others were never touched"
    assert "no machine is held" in said_by(capsys) or main(["machines"]) == 0


def test_the_price_is_said_first_and_no_means_no(
    site: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rent", "box"]) == 1
    assert "gpu-mi300x1-192gb at digitalocean in atl1 costs $1.99 an hour" in (said := said_by(capsys)), said
    assert "say so with --yes" in said
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    questions: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: str(questions.append(question)))
    assert main(["rent", "box"]) == 1
    assert "$1.99 an hour" in questions[0] and "nothing was rented" in said_by(capsys)
    assert cloud.bodies == [] and not order_is_open(site)


REFUSED: list[tuple[list[str], dict[str, Any], str]] = [
    (["--max-usd-per-hour", "1.5"], {}, r"costs $1.99 an hour, more than the $1.50 that are allowed"),
    (["--max-usd-per-hour", "-1"], {}, "max_usd_per_hour"),
    (["--spot"], {}, "only EC2 has such machines"),
    (["--type", "gpu-x9"], {}, "has no size 'gpu-x9'"),
    (["--type", "gpu-h200x1-141gb", "--max-usd-per-hour", "9"], {}, "no gpu-h200x1-141gb can be had in atl1 now"),
    ([], {"keys": []}, "does not know the public half of connection.key_file"),
    ([], {"fails": [401]}, "401"),
    ([], {"orders": [(422, "this will exceed your droplet limit")]}, "422 this will exceed your droplet limit"),
    ([], {"orders": [(403, "You are not authorized")]}, "403 You are not authorized. Is DIGITALOCEAN_TOKEN right"),
    ([], {"orders": [(503, "later")]}, "503 later"),
    ([], {"sizes": [{"slug": "gpu-mi300x1-192gb", "price_hourly": -1, "available": True, "regions": ["atl1"]}]},
     "the answer is not as documented (sizes.0.price_hourly"),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "set_there", "sentence"), REFUSED, ids=[found[2][:40] for found in REFUSED])
def test_what_is_refused_is_one_sentence_and_nothing_is_rented(
    site: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str], flags: list[str], set_there: dict[str, Any],
    sentence: str,
) -> None:  # fmt: skip
    for name, value in set_there.items():
        setattr(cloud, name, value)
    assert main(["rent", "box", "--yes", *flags]) == 1
    said = said_by(capsys)
    assert sentence in said and "Traceback" not in said and "good-token" not in said
    assert sorted(cloud.droplets) == [7, 8] and not order_is_open(site)


@pytest.mark.parametrize("answer", ["lost", "odd"])
def test_an_answer_that_is_lost_rents_no_second_machine(
    site: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    cloud.orders = [answer]
    assert main(["rent", "box", "--yes"]) == 0
    assert "Looking whether it was rented even so" in said_by(capsys)
    assert sorted(cloud.droplets) == [7, 8, 9] and not order_is_open(site)


def test_after_a_kill_the_machine_of_the_order_is_found(site: Path, cloud: Cloud, boot: Boot) -> None:
    """As `kill -9` leaves it between the request and its answer: the order is on disk, the droplet is there."""
    private, public = new_host_key()
    order = Order(
        target="box", rent=Rent(type="x"), usd_per_hour=1.99, host_key=public, private_host_key=private,
        login_key=" ".join((site / "key.pub").read_text().split()[:2]),
    )  # fmt: skip
    (site / "results/rented").mkdir(parents=True)
    (site / "results/rented/box.json").write_text(order.model_dump_json())
    cloud.droplets[9] = (f"gonogo-box-{order.token[:16]}", "127.0.0.1", ["gonogo-box"])
    boot(cloud_config(order))
    assert main(["rent", "box", "--yes"]) == 0
    assert cloud.bodies == [] and not order_is_open(site)
    assert [one.host for one in held_machines(site / "results/held/box.json")] == ["127.0.0.1"]


@pytest.mark.parametrize("how", ["dead", "other_host_key"])
def test_one_that_never_answers_is_released_and_said(
    site: Path, cloud: Cloud, boot: Boot, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    setattr(boot, how, True)
    write_box(site, boot, minutes=0.03)
    assert main(["rent", "box", "--yes"]) == 1
    said = said_by(capsys)
    reason = {"dead": "no SSH server answers", "other_host_key": "HOST KEY HAS CHANGED"}[how]
    assert "did not answer within 0.03 min" in said and reason in said and "nothing is rented" in said
    assert sorted(cloud.droplets) == [7, 8] and not order_is_open(site)
    assert not (site / "known").exists() and not (site / "results/held/box.json").exists()
    assert "203.0.113.99" in (site / "config/targets/box.yaml").read_text()


def test_ctrl_c_releases_it(
    site: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(there: DigitalOceanRental, machine_id: str) -> None:
        assert sorted(cloud.droplets) == [7, 8, int(machine_id)]
        raise KeyboardInterrupt

    monkeypatch.setattr(DigitalOceanRental, "look", interrupted)
    assert main(["rent", "box", "--yes"]) == 1
    assert "interrupted. The machine was released; nothing is rented" in said_by(capsys)
    assert sorted(cloud.droplets) == [7, 8] and not order_is_open(site)


def test_one_that_cannot_be_released_is_an_alarm_until_release_does(
    site: Path, cloud: Cloud, boot: Boot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    boot.dead = True
    write_box(site, boot, minutes=0.005)
    with monkeypatch.context() as broken:
        broken.setattr(rent, "destroy_patiently", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(["rent", "box", "--yes"]) == 1
    said = said_by(capsys)
    assert "ALARM: 9 MAY STILL BE RENTED" in said and "gonogo release --target box" in said
    assert main(["machines"]) == 1 and "ORPHAN" in said_by(capsys)
    assert main(["release", "--target", "box"]) == 0
    assert sorted(cloud.droplets) == [7, 8] and not order_is_open(site)


def test_a_machine_with_the_tag_that_we_did_not_rent_is_left_alone(
    site: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.droplets[5] = ("by-hand", "203.0.113.5", ["gonogo-box"])
    assert main(["rent", "box", "--yes"]) == 1
    assert "by-hand (5) at 203.0.113.5 has the tag 'gonogo-box' already" in said_by(capsys)
    assert sorted(cloud.droplets) == [5, 7, 8] and not any(line.startswith("DELETE") for line in cloud.asked)


def test_the_order_is_for_this_user_alone(
    site: Path, cloud: Cloud, boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot.dead = True
    modes: list[int] = []
    order = site / "results/rented/box.json"
    monkeypatch.setattr(cloud, "boot", lambda user_data: modes.append(order.stat().st_mode & 0o777))
    write_box(site, boot, minutes=0.005)
    main(["rent", "box", "--yes"])
    assert modes == [0o600]
    left = [path for path in (site / "results").rglob("*") if path.is_file() and "PRIVATE KEY" in path.read_text()]
    assert left == []
    assert json.dumps(cloud.bodies).count("PRIVATE KEY") == 2


def planned(site: Path, **words: str) -> None:
    """As the memory gate of `cvs` plans."""
    cards = [
        {"name": name, "title": name, "needed_bytes": 9, "capacity_bytes": 10, "fits": True, "status": status}
        for name, status in words.items()
    ]
    file = site / "results/cvs/validate/memory/plan.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"accelerator": "mi300x", "cards": cards}))


def test_the_cheapest_machine_whose_card_fits(site: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    offer = {"available": True, "regions": ["atl1"]}
    cloud.sizes = [
        {"slug": "gpu-l4", "price_hourly": 0.5, **offer},
        {"slug": "gpu-a100", "price_hourly": 1.2, **offer},
        *cloud.sizes,
    ]
    planned(site, l4="NO_GO", a100_40="GO", mi300x="GO", h200="GO", h100="GO")
    assert main(["rent", "box", "--fits", "cvs", "--yes"]) == 0
    said = said_by(capsys)
    assert "h200: DigitalOcean: no gpu-h200x1-141gb can be had" in said
    assert "cvs fits: a100_40 $1.20 an hour; mi300x $1.99 an hour" in said
    assert [order["size"] for order in cloud.bodies] == ["gpu-a100"]
    box = load_target(site / "config", "box")
    assert (box.accelerator, box.usd_per_hour) == ("a100_40", 1.2)


def test_without_a_plan_or_a_card_that_fits_nothing_is_rented(
    site: Path, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rent", "box", "--fits", "cvs", "--yes"]) == 1
    assert "plan.json: not found; run the workflow up to the memory gate of cvs" in said_by(capsys)
    planned(site, l4="NO_GO", a100_40="CAUTION")
    assert main(["rent", "box", "--fits", "cvs", "--yes"]) == 1
    assert "cvs fits no card of rent.types (l4: OOM, a100_40: tight)" in said_by(capsys)
    assert cloud.bodies == []
