"""EC2 against moto's server, which answers as Amazon's does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.remote.providers import Ec2
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


def test_what_amazon_refuses_is_told(endpoint: str) -> None:
    with pytest.raises(UserError, match="EC2: describe instances"):
        Ec2("gonogo=run-7", REGION, "http://127.0.0.1:9").find()
