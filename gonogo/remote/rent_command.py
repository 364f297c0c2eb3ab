"""Renting through any provider that has a command line: what the user would type, run by their shell."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import BaseModel, Field

from gonogo.base.bounded_json import parsed
from gonogo.config.target import Release, Rent
from gonogo.remote.providers import CommandProvider, FailsInPassing
from gonogo.remote.rental import Booting, Order, as_documented, cloud_config, start_script

RENT_S = 1800.0  # some wait for the machine before they end


class _Address(BaseModel):
    host: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$")
    port: int | None = Field(None, gt=0, lt=65536)
    user: str = Field("", pattern=r"^([a-z_][a-z0-9_-]{0,31})?$")


class CommandRental(CommandProvider):
    """One machine, whose name stands in the commands: `gone_command` says whether there is one."""

    def __init__(self, rent: Rent, release: Release, usd_per_hour: float) -> None:
        super().__init__(release.command, release.gone_command)
        self._rent, self._usd_per_hour = rent, usd_per_hour

    def offer(self, login_key: str) -> float:
        return self._usd_per_hour

    def ask(self, order: Order) -> str:
        """Keys travel in files that this user alone can read, never in a command line."""
        with tempfile.TemporaryDirectory() as folder:
            files = {
                "GONOGO_CLOUD_CONFIG": (Path(folder, "cloud_config.yaml"), cloud_config(order)),
                "GONOGO_START_SCRIPT": (Path(folder, "start.sh"), start_script(order)),
            }
            for file, text in files.values():
                file.touch(mode=0o600)
                file.write_text(text)
            names = {name: str(file) for name, (file, _) in files.items()}
            code, said = self._run(order.rent.command, RENT_S, **names, GONOGO_LOGIN_KEY=order.login_key)
        if code:
            raise FailsInPassing(f"rent.command failed (exit code {code}): {said or 'it printed nothing'}.")
        return ""

    def of_order(self, order: Order) -> list[str]:
        return [machine.id for machine in self.find()]

    def look(self, machine_id: str) -> Booting:
        code, said = self._run(self._rent.address_command)
        if code:
            return Booting(state="starting")
        try:
            told = parsed(said[max(0, said.rfind("{")) :].encode(), encoding="utf-8")
        except ValueError as error:
            raise FailsInPassing(f"rent.address_command: does not end with JSON ({error}): {said[-80:]!r}.") from None
        found = as_documented("rent.address_command", _Address, told, "address")
        return Booting(state="running", address=found.host, port=found.port, user=found.user)
