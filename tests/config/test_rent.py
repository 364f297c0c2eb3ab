"""What a target's `rent` needs: errors before anything is asked of a provider."""

from __future__ import annotations

from typing import Any

import pytest

from gonogo.base.errors import UserError
from gonogo.config.load import validate
from gonogo.config.target import Target

SSH = {"kind": "ssh", "host": "203.0.113.8", "user": "root"}
DIGITALOCEAN = {"how": "destroy", "provider": "digitalocean", "tag": "gonogo"}
EC2 = {"how": "destroy", "provider": "ec2", "tag": "gonogo=x", "region": "us-east-2"}
COMMAND = {"how": "destroy", "provider": "command", "command": "true", "gone_command": "true"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"rent": {}}, "needs connection.kind ssh"),
        ({"connection": {**SSH, "jump": "me@gate"}, "release": EC2, "rent": {}}, "without a jump"),
        ({"connection": SSH, "release": "shutdown", "rent": {}}, "needs release.how destroy"),
        ({"connection": SSH, "release": DIGITALOCEAN, "rent": {"type": "x"}}, "digitalocean needs image, region"),
        ({"connection": SSH, "release": EC2, "rent": {"type": "x", "image": "y"}}, "ec2 needs security_group"),
        ({"connection": SSH, "release": COMMAND, "rent": {"command": "x"}}, "command needs address_command"),
        (
            {"connection": SSH, "release": COMMAND, "rent": {"command": "x", "address_command": "y"}},
            "needs usd_per_hour",
        ),
        (
            {
                "connection": SSH, "release": DIGITALOCEAN,
                "rent": {"type": "x", "image": "y", "region": "z", "spot": True},
            },
            "only EC2 has such machines",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(target: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        validate(Target, target, "box.yaml")
