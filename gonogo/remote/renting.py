"""Which provider rents the machine of a target."""

from __future__ import annotations

from gonogo.config.target import Release, Rent
from gonogo.remote.rental import Rental


def rental(rent: Rent, release: Release) -> Rental:
    """The provider that `release` names.

    Raises:
        UserError: its credentials are not set, or its library is not installed.
    """
    if release.provider == "ec2":
        from gonogo.remote.rent_ec2 import Ec2Rental

        return Ec2Rental(rent, release)
    from gonogo.remote.rent_digitalocean import DigitalOceanRental

    return DigitalOceanRental(rent, release)
