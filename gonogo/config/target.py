"""Where training runs: the machine, how it is reached and given back, and the card in it, as pydantic models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from gonogo.base.models import Positive, StrictModel


class Embedded(StrictModel):
    """An SSH server of our own on loopback, with throw-away keys: the whole paid leg without an account."""

    kind: Literal["embedded"] = "embedded"


class Ssh(StrictModel):
    """A machine reached by SSH. Its host key must be known beforehand."""

    kind: Literal["ssh"] = "ssh"
    host: str = Field(description="name or address")
    user: str = Field(description="login on the machine")
    port: int = Field(22, description="of its SSH server")
    key_file: Path = Field(Path("~/.ssh/id_ed25519"), description="private key")
    known_hosts: Path = Field(Path("~/.ssh/known_hosts"), description="file with the machine's host key")
    trust_on_first_use: bool = Field(
        False,
        description="take an unknown host's key unseen, once, and record it; a changed one is refused all the same",
    )


class Release(StrictModel):
    """How the machine is given back. From here it happens once every result is verified here."""

    how: Literal["none", "shutdown", "destroy"] = Field(
        "none",
        description="`shutdown` switches it off, which stops the bill at few providers; `destroy` ends it for good",
    )
    provider: Literal["", "digitalocean", "ec2", "command"] = Field("", description="of a machine to destroy")
    tag: str = Field("", description="DigitalOcean: tag; EC2: KEY=VALUE; the machine has it, and no other machine")
    region: str = Field("", description="EC2: where the machine is")
    command: str = Field("", description="provider `command`: shell command, run here, that destroys the machine")
    gone_command: str = Field(
        "",
        description="provider `command`: exits with 0 only where a listing that succeeded lacks the machine; without "
        "network or login it must fail, so it may not begin with `!`",
    )
    shutdown_command: str = Field(
        "shutdown -h now || sudo -n shutdown -h now",
        description="run on the machine, by `shutdown` and by the two below",
    )
    collected_minutes: float | None = Field(
        15, ge=0, description="the machine shuts itself down so long after its results were fetched; null: never"
    )
    unattended_hours: float | None = Field(
        None,
        gt=0,
        description="the same, results unfetched and nobody looking for so long; null: never, and it bills on",
    )

    @model_validator(mode="after")
    def _complete(self) -> Release:
        needed = {"digitalocean": ["tag"], "ec2": ["tag", "region"], "command": ["command", "gone_command"]}
        if self.how == "destroy" and not self.provider:
            raise ValueError("destroy needs a provider: digitalocean, ec2 or command")
        missing = [name for name in needed.get(self.provider, []) if not getattr(self, name)]
        if self.how == "destroy" and missing:
            raise ValueError(f"provider {self.provider} needs {', '.join(missing)}")
        if self.gone_command.lstrip().startswith("!"):
            raise ValueError(
                "gone_command begins with `!`: without network or login it would say that the machine is gone. Write a "
                "listing that must succeed and lack the machine's id, such as: ids=$(your-provider list) && "
                "case $ids in *12345*) exit 1;; esac"
            )
        return self


def _how(value: Any) -> Any:
    """`shutdown` alone, or all the keys."""
    return {"how": value} if isinstance(value, str) else value


class Target(StrictModel):
    """Where training runs, and what it costs."""

    connection: Annotated[Embedded | Ssh, Field(discriminator="kind")] = Embedded()
    accelerator: str = Field("cpu", description="a name in config/accelerators.yaml")
    usd_per_hour: float = Field(0.0, ge=0, description="price while the machine is held")
    root: str = Field("gonogo", description="folder on the machine; relative to the login's home")
    device: Literal["auto", "accelerator", "cpu"] = Field(
        "auto",
        description="`auto`: the accelerator, unless it is known to be bad; `accelerator`: that one all the same; "
        "`cpu`: the processor, and no GPU is touched",
    )
    python: str = Field(
        "python3", description="interpreter on the machine; `this`: the one that runs gonogo (embedded only)"
    )
    environment: dict[str, str] = Field(
        default_factory=lambda: {"PYTHONUNBUFFERED": "1"}, description="variables for the training process"
    )
    secret_environment: list[str] = Field(
        default_factory=list,
        description="names of variables of this shell that the training process gets, too; values are not recorded",
    )
    max_hours: Positive = Field(24, description="the agent ends the run there; the checkpoint stays")
    lease_minutes: Positive = Field(60, description="the agent ends the run when nobody has looked for so long")
    min_free_gb: float = Field(10, ge=0, description="room that setup wants below `root` of a machine of one's own, GB")
    first_step_minutes: Positive = Field(30, description="grace for the first step; then the run counts as hung")
    stall_minutes: Positive = Field(
        30, description="without a step for so long it counts as hung, and is taken up again"
    )
    release: Annotated[Release, BeforeValidator(_how)] = Release()
    fetch_checkpoints_minutes: Positive = Field(
        10, description="newest and best are brought here so often, while it runs"
    )
    max_mbit_per_s: Positive | None = Field(None, description="transfers take no more of the network; null: all of it")
