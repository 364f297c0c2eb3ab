"""Which provider rents the machine of a target."""

from __future__ import annotations

from gonogo.config.target import Rent, Target
from gonogo.remote.rental import Rental


def rental(rent: Rent, target: Target) -> Rental:
    """The provider that the target's `release` names.

    Raises:
        UserError: its credentials are not set, or its library is not installed.
    """
    release = target.release
    if release.provider == "command":
        from gonogo.remote.rent_command import CommandRental

        return CommandRental(rent, release, target.usd_per_hour)
    if release.provider == "ec2":
        from gonogo.remote.rent_ec2 import Ec2Rental

        return Ec2Rental(rent, release)
    from gonogo.remote.rent_digitalocean import DigitalOceanRental

    return DigitalOceanRental(rent, release)
