"""Where training runs: the machine, how it is reached and released, and its accelerator."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gonogo.base.models import Positive, StrictModel


class Embedded(StrictModel):
    """An SSH server that the workflow starts on this machine, with temporary keys: a paid run without an account."""

    kind: Literal["embedded"] = "embedded"


class Slurm(StrictModel):
    """A job of a Slurm cluster, as the machine: submitted once from here, a login node that shares its disk."""

    kind: Literal["slurm"] = "slurm"
    partition: str = Field("", description="empty: the cluster's default")
    account: str = Field("", description="empty: the login's default")
    qos: str = Field("", description="empty: the account's default")
    gres: str = Field("gpu:1", description="generic resources, as `sbatch --gres` takes them; empty: none")
    cpus: int = Field(4, ge=1, description="cores")
    memory_gb: Positive = Field(16, description="memory of the job, in GB; the run needs its share of host memory")
    queue_hours: Positive = Field(24, description="how long a job may wait to be started before it is given up")


JUMP = re.compile(r"(?P<user>[^@\s]+)@(?P<host>\[[^\]\s]+\]|[^:\s\[\]]+)(:(?P<port>\d{1,5}))?")


def _without_brackets(host: Any) -> Any:
    """`[::1]`, as addresses of IPv6 are written before a port, is `::1`."""
    return host[1:-1] if isinstance(host, str) and host.startswith("[") and host.endswith("]") else host


class Ssh(StrictModel):
    """A machine reached by SSH. Its host key must be known in advance."""

    kind: Literal["ssh"] = "ssh"
    host: Annotated[str, BeforeValidator(_without_brackets)] = Field(description="host name or address")
    user: str = Field(description="user name on the machine")
    port: int = Field(22, description="port of its SSH server")
    key_file: Path = Field(Path("~/.ssh/id_ed25519"), description="private key")
    known_hosts: Path = Field(Path("~/.ssh/known_hosts"), description="file that holds the machine's host key")
    trust_on_first_use: bool = Field(
        False,
        description="accept and record the key of a host that is not known yet; a changed key is still refused",
    )
    jump: str = Field(
        "",
        description="`user@host` or `user@host:port` of a machine through which this one is reached, with the same "
        "key; its own host key is verified, too; empty: reached directly",
    )

    @field_validator("jump")
    @classmethod
    def _is_a_login(cls, jump: str) -> str:
        if jump and not JUMP.fullmatch(jump):
            raise ValueError("write it as user@host or user@host:port, an IPv6 address in brackets")
        return jump

    @property
    def through(self) -> Ssh | None:
        """The machine that `jump` names."""
        found = JUMP.fullmatch(self.jump)
        if found is None:
            return None
        port = int(found["port"] or 22)
        return self.model_copy(
            update={"user": found["user"], "host": _without_brackets(found["host"]), "port": port, "jump": ""}
        )


class Release(StrictModel):
    """How the machine is released, once all results are downloaded and verified."""

    how: Literal["none", "shutdown", "destroy"] = Field(
        "none",
        description="`shutdown`: switch it off, which stops billing at few providers; `destroy`: delete it",
    )
    provider: Literal["", "digitalocean", "ec2", "command"] = Field("", description="whose machine `destroy` deletes")
    tag: str = Field("", description="DigitalOcean: tag; EC2: KEY=VALUE; it must be on this machine and on no other")
    region: str = Field("", description="EC2: region of the machine")
    command: str = Field("", description="provider `command`: shell command, run here, that destroys the machine")
    gone_command: str = Field(
        "",
        description="provider `command`: must exit with 0 only when a successful listing lacks the machine, and fail "
        "without network or login; so it may not begin with `!`",
    )
    shutdown_command: str = Field(
        "shutdown -h now || sudo -n shutdown -h now",
        description="run on the machine for `shutdown`, and when one of the next two times has passed",
    )
    collected_minutes: float | None = Field(
        15, ge=0, description="the machine shuts down this many minutes after its results were downloaded; null: never"
    )
    unattended_hours: float | None = Field(
        None,
        gt=0,
        description="the same, results not downloaded and no client connected; null: never, and billing continues",
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
                "gone_command begins with `!`: without network or login it would report the machine as gone. Write a "
                "listing that must succeed and lack the machine's id, such as: ids=$(your-provider list) && "
                "case $ids in *12345*) exit 1;; esac"
            )
        return self


class Rent(StrictModel):
    """What `gonogo rent` rents, from the provider that `release` names."""

    type: str = Field("", description="EC2: instance type; DigitalOcean: slug of a size")
    types: dict[str, str] = Field(
        default_factory=dict,
        description="for `gonogo rent --fits`: name in config/accelerators.yaml → the type with one such card",
    )
    image: str = Field(
        "", description="EC2: id of an AMI; DigitalOcean: slug or id; one with cloud-init and Python 3.11 or newer"
    )
    region: str = Field("", description="DigitalOcean: slug of the region; EC2's is release.region")
    max_usd_per_hour: Positive | None = Field(
        None, description="nothing that costs more is rented; at EC2 also the most that a spot machine may cost later"
    )
    spot: bool = Field(False, description="EC2: spare capacity for less, which Amazon may take back at any time")
    security_group: str = Field("", description="EC2: id of one that lets the SSH port in")
    subnet: str = Field("", description="EC2: id; empty: one of the default VPC")
    disk_gb: int = Field(100, ge=8, description="EC2: size of the disk, which goes with the machine")
    command: str = Field("", description="provider `command`: shell command, run here, that rents the machine")
    address_command: str = Field(
        "",
        description="provider `command`: prints at its end where the machine is, as JSON with `host`, and `port` and "
        "`user` where they are not the target's; fails until that is known",
    )
    answer_minutes: Positive = Field(15, description="released again if it does not answer SSH within this time")


def _below_home(root: Any) -> Any:
    """`~/gonogo` is `gonogo`: paths on the machine begin in its user's home."""
    if isinstance(root, str) and root.startswith("~"):
        if root != "~" and not root.startswith("~/"):
            raise ValueError("only ~/ is known; write a path from the user's home, or an absolute one")
        return root[1:].lstrip("/") or "."
    return root


def _how(value: Any) -> Any:
    """`shutdown` alone, or all the keys."""
    return {"how": value} if isinstance(value, str) else value


class Target(StrictModel):
    """Where training runs, and what it costs."""

    connection: Annotated[Embedded | Ssh | Slurm, Field(discriminator="kind")] = Embedded()
    accelerator: str = Field("cpu", description="a name in config/accelerators.yaml")
    usd_per_hour: float = Field(0.0, ge=0, description="price of the machine")
    root: Annotated[str, BeforeValidator(_below_home)] = Field(
        "gonogo", description="folder on the machine, relative to the user's home"
    )
    device: Literal["auto", "accelerator", "cpu"] = Field(
        "auto",
        description="`auto`: the accelerator, unless it is known to be bad; `accelerator`: use it even then; `cpu`: "
        "train on the CPU and touch no GPU",
    )
    python: str = Field("python3", description="interpreter there; `this`: the one that runs gonogo (embedded only)")
    environment: dict[str, str] = Field(
        default_factory=lambda: {"PYTHONUNBUFFERED": "1"}, description="environment variables of the training process"
    )
    secret_environment: list[str] = Field(
        default_factory=list,
        description="names of this shell's variables to hand to the training process; values are not recorded",
    )
    max_hours: Positive = Field(24, description="the agent stops the run after this time; the checkpoint stays")
    max_held_hours: Positive | None = Field(
        None,
        description="how long the machine may be held for upload, setup, canary and run together, from its first use "
        "for this `results_dir`: what is under way is ended then, and the machine released; null: no limit",
    )
    max_held_usd: Positive | None = Field(None, description="the same in dollars, at `usd_per_hour`")
    lease_minutes: Positive = Field(60, description="stop the run if no client has connected for this many minutes")
    min_free_gb: float = Field(10, ge=0, description="minimum free disk space under `root`, in GB (SSH targets only)")
    first_step_minutes: Positive = Field(30, description="time for the first step; after it the run counts as hung")
    stall_minutes: Positive = Field(30, description="a run without a step for this long counts as hung, and is resumed")
    release: Annotated[Release, BeforeValidator(_how)] = Release()
    rent: Rent | None = Field(None, description="what `gonogo rent` rents; null: you rent the machine yourself")
    fetch_checkpoints_minutes: Positive = Field(
        10, description="interval at which the newest and the best checkpoint are downloaded during the run"
    )
    max_mbit_per_s: Positive | None = Field(None, description="bandwidth limit of transfers; null: none")

    @model_validator(mode="after")
    def _a_job_is_cancelled(self) -> Target:
        if isinstance(self.connection, Slurm) and self.release.how != "none":
            raise ValueError("release: a job of Slurm is cancelled at the end; remove that key")
        return self

    @model_validator(mode="after")
    def _what_is_rented_can_be_released(self) -> Target:
        needed = {
            "digitalocean": ["type", "image", "region"],
            "ec2": ["type", "image", "security_group"],
            "command": ["command", "address_command"],
        }
        provider = self.release.provider
        if self.rent is None:
            return self
        if not isinstance(self.connection, Ssh) or self.connection.jump:
            raise ValueError("rent: needs connection.kind ssh, without a jump")
        if self.release.how != "destroy" or provider not in needed:
            raise ValueError(f"rent: needs release.how destroy, and release.provider {' or '.join(needed)}")
        if missing := [name for name in needed[provider] if not getattr(self.rent, name)]:
            raise ValueError(f"rent: provider {provider} needs {', '.join(missing)}")
        if self.rent.spot and provider != "ec2":
            raise ValueError("rent.spot: only EC2 has such machines")
        if provider == "command" and not self.usd_per_hour:
            raise ValueError("rent: provider command needs usd_per_hour, the price that is shown before it is run")
        return self
