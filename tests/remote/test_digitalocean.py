"""DigitalOcean: the machine with the tag is destroyed, and is seen gone."""

from __future__ import annotations

import pytest

from gonogo.base.errors import UserError
from gonogo.config.target import Release
from gonogo.remote import providers
from gonogo.remote.providers import DigitalOcean
from gonogo.remote.rented import Rented
from gonogo.stages.ways_to_go import wait_until_gone
from tests.remote.droplets import Cloud, cloud

__all__ = ["cloud"]


def test_digitalocean_destroys_the_one_with_the_tag_and_sees_it_gone(cloud: Cloud) -> None:
    cloud.lingers_s = 0.3
    there = DigitalOcean("good-token", "gonogo", cloud.url)
    (found,) = there.find()
    assert found == Rented("7", "gonogo-h200", ("203.0.113.7",))
    there.destroy(found)
    assert not there.is_gone(found)
    wait_until_gone(there, found, within_s=3)
    assert list(cloud.droplets) == [8]
    there.destroy(found)  # again: nothing happens
    assert there.find() == []


def test_digitalocean_a_machine_that_stays_is_an_alarm(cloud: Cloud) -> None:
    cloud.lingers_s = 60
    there = DigitalOcean("good-token", "gonogo", cloud.url)
    (found,) = there.find()
    with pytest.raises(UserError, match=r"ALARM: gonogo-h200 WAS TO BE DESTROYED AND IS STILL THERE"):
        wait_until_gone(there, found, within_s=0.3)


def test_digitalocean_refusals_are_told_without_the_token(cloud: Cloud) -> None:
    with pytest.raises(UserError, match=r"401 .*Is DIGITALOCEAN_TOKEN right") as refused:
        DigitalOcean("planted-secret", "gonogo", cloud.url).find()
    assert "planted-secret" not in str(refused.value)
    cloud.server_close()
    with pytest.raises(UserError, match="DigitalOcean: GET /v2/droplets"):
        DigitalOcean("good-token", "gonogo", "http://127.0.0.1:9").find()


def test_no_token_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIGITALOCEAN_TOKEN", raising=False)
    with pytest.raises(UserError, match="DIGITALOCEAN_TOKEN is not set"):
        providers.provider(Release(how="destroy", provider="digitalocean", tag="gonogo"))
