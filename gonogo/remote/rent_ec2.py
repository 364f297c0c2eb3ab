"""Renting an instance at EC2, on demand or of its spare capacity (spot), through boto3."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field, IPvAnyAddress

from gonogo.base.bounded_json import parsed
from gonogo.base.errors import UserError
from gonogo.base.text import clean
from gonogo.config.target import Release, Rent
from gonogo.remote.providers import Ec2, FailsInPassing
from gonogo.remote.rental import Booting, Order, as_documented, cloud_config

ORDER_TAG = "gonogo-order"
PRICES_ARE_IN = "us-east-1"  # AWS's price list is served there, for all regions
MAX_USD_PER_HOUR = 1000.0
LINUX = {
    "operatingSystem": "Linux", "tenancy": "Shared", "preInstalledSw": "NA", "capacitystatus": "Used",
    "marketoption": "OnDemand", "licenseModel": "No License required",
}  # fmt: skip
LOGIN = "Amazon does not accept these credentials, or their rights do not suffice"
QUOTA = "your account's quota allows no more of these (Service Quotas, Amazon EC2)"
CAPACITY = "Amazon has none left at the moment; try later, another type or another region"
# codes of EC2's errors → what they mean here (docs.aws.amazon.com, EC2 API, error codes)
MEANINGS = {
    "AuthFailure": LOGIN, "ExpiredToken": LOGIN, "ExpiredTokenException": LOGIN, "RequestExpired": LOGIN,
    "InvalidClientTokenId": LOGIN, "UnrecognizedClientException": LOGIN, "UnauthorizedOperation": LOGIN,
    "AccessDeniedException": LOGIN,
    "InstanceLimitExceeded": QUOTA, "VcpuLimitExceeded": QUOTA, "MaxSpotInstanceCountExceeded": QUOTA,
    "InsufficientInstanceCapacity": CAPACITY, "InsufficientHostCapacity": CAPACITY, "UnfulfillableCapacity": CAPACITY,
    "SpotMaxPriceTooLow": "spot machines cost more than rent.max_usd_per_hour now",
}  # fmt: skip


class _Spot(BaseModel):
    SpotPrice: float = Field(gt=0, le=MAX_USD_PER_HOUR)


class _Spots(BaseModel):
    SpotPriceHistory: list[_Spot] = Field(max_length=10_000)


class _PerUnit(BaseModel):
    USD: float = Field(ge=0, le=MAX_USD_PER_HOUR)


class _Dimension(BaseModel):
    pricePerUnit: _PerUnit


class _Term(BaseModel):
    priceDimensions: dict[str, _Dimension]


class _Terms(BaseModel):
    OnDemand: dict[str, _Term] = {}


class _Product(BaseModel):
    terms: _Terms


class _Image(BaseModel):
    RootDeviceName: str = Field(pattern=r"^/dev/\w+$", max_length=64)


class _State(BaseModel):
    Name: str


class _Reason(BaseModel):
    Message: str = ""


class _Instance(BaseModel):
    InstanceId: str = Field(pattern=r"^i-[0-9a-f]{8,32}$")
    State: _State
    PublicIpAddress: IPvAnyAddress | None = None
    StateReason: _Reason = _Reason()


class _Reservation(BaseModel):
    Instances: list[_Instance] = Field(min_length=1)


class Ec2Rental(Ec2):
    """An instance with the target's tag and its order's, whose disk goes with it and which ends when it shuts down."""

    def __init__(self, rent: Rent, release: Release) -> None:
        super().__init__(release.tag, release.region)
        self._rent, self._region = rent, release.region

    def offer(self, login_key: str) -> float:
        self._root_device()
        if self._rent.spot:
            return self._spot_price()
        prices = sorted(price for product in self._products() for price in _prices(product) if price)
        if not prices:
            raise UserError(f"EC2: has no price for {self._rent.type!r} in {self._region} (rent.type, release.region)")
        return prices[-1]

    def _root_device(self) -> str:
        answer = self._called("describe images", "describe_images", ImageIds=[self._rent.image])
        images = as_documented("EC2", list[_Image], answer.get("Images"), "describe images")
        if not images:
            raise UserError(f"EC2: there is no image {self._rent.image} in {self._region} (rent.image)")
        return images[0].RootDeviceName

    def _spot_price(self) -> float:
        """The lowest of the region's zones now."""
        now = dt.datetime.now(dt.UTC)
        asked = {"InstanceTypes": [self._rent.type], "ProductDescriptions": ["Linux/UNIX"], "StartTime": now}
        answer = self._called("spot prices", "describe_spot_price_history", **asked)
        prices = [one.SpotPrice for one in as_documented("EC2", _Spots, answer, "spot prices").SpotPriceHistory]
        if not prices:
            raise UserError(f"EC2: has no spot machines {self._rent.type!r} in {self._region} (rent.type)")
        return min(prices)

    def _products(self) -> Iterator[_Product]:
        import boto3

        pricing = boto3.client("pricing", region_name=PRICES_ARE_IN, config=self._patience)
        wanted = {**LINUX, "instanceType": self._rent.type, "regionCode": self._region}
        filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in wanted.items()]
        try:
            answer = pricing.get_products(ServiceCode="AmazonEC2", Filters=filters)
        except self._errors as error:
            raise self._meant("prices (pricing:GetProducts)", error) from None
        for text in as_documented("EC2", list[str], answer.get("PriceList"), "prices"):
            try:
                product = parsed(text.encode(), encoding="utf-8")
            except ValueError as error:
                raise FailsInPassing(f"EC2: prices: the answer is no price list ({error}).") from None
            yield as_documented("EC2", _Product, product, "prices")

    def ask(self, order: Order) -> str:
        rent = order.rent
        tags = {self._key: self._value, ORDER_TAG: order.token, "Name": f"gonogo {order.target}"}
        tagged = [{"Key": key, "Value": value} for key, value in tags.items()]
        disk = {"VolumeSize": rent.disk_gb, "VolumeType": "gp3", "DeleteOnTermination": True}
        asked: dict[str, Any] = {
            "ImageId": rent.image,
            "InstanceType": rent.type,
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": order.token,  # the same token again rents nothing more
            "UserData": cloud_config(order),
            "InstanceInitiatedShutdownBehavior": "terminate",
            "MetadataOptions": {"HttpTokens": "required"},
            "BlockDeviceMappings": [{"DeviceName": self._root_device(), "Ebs": disk}],
            "TagSpecifications": [{"ResourceType": kind, "Tags": tagged} for kind in ("instance", "volume")],
            **_network(rent),
        }
        if rent.spot:
            cap = {"MaxPrice": f"{rent.max_usd_per_hour:g}"} if rent.max_usd_per_hour else {}
            asked["InstanceMarketOptions"] = {
                "MarketType": "spot",
                "SpotOptions": {"SpotInstanceType": "one-time", **cap},
            }
        answer = self._called(f"rent {rent.type}", "run_instances", **asked)
        return as_documented("EC2", _Reservation, answer, f"rent {rent.type}").Instances[0].InstanceId

    def of_order(self, order: Order) -> list[str]:
        wanted = {f"tag:{self._key}": self._value, f"tag:{ORDER_TAG}": order.token}
        filters = [{"Name": name, "Values": [value]} for name, value in wanted.items()]
        return [identity for identity, state, _ in self._instances(Filters=filters) if state not in self.ENDED]

    def look(self, machine_id: str) -> Booting:
        wanted = [{"Name": "instance-id", "Values": [machine_id]}]
        answer = self._called("describe instances", "describe_instances", Filters=wanted)
        groups = as_documented("EC2", list[_Reservation], answer.get("Reservations"), "describe instances")
        if not groups:
            return Booting(state="starting")  # one that is new is not listed at once
        found = groups[0].Instances[0]
        if found.State.Name in (*self.ENDED, "stopping", "stopped"):
            return Booting(state="gone", why=clean(found.StateReason.Message)[:200] or f"it is {found.State.Name}")
        address = str(found.PublicIpAddress or "")
        return Booting(state="running" if found.State.Name == "running" else "starting", address=address)

    def _called(self, what: str, method: str, **asked: Any) -> dict[str, Any]:
        try:
            answer = getattr(self._client, method)(**asked)
        except self._errors as error:
            raise self._meant(what, error) from None
        return as_documented("EC2", dict[str, Any], answer, what)

    def _meant(self, what: str, error: Exception) -> UserError:
        """What Amazon's code means for the order."""
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code", "")
        if code in MEANINGS:
            return UserError(f"EC2: {what} in {self._region}: {MEANINGS[code]} ({code}).")
        return self._told(what, error)


def _network(rent: Rent) -> dict[str, Any]:
    """The default VPC gives its machines a public address; one in a subnet asks for it."""
    if not rent.subnet:
        return {"SecurityGroupIds": [rent.security_group]}
    card = {"DeviceIndex": 0, "SubnetId": rent.subnet, "Groups": [rent.security_group]}
    return {"NetworkInterfaces": [{**card, "AssociatePublicIpAddress": True}]}


def _prices(product: _Product) -> list[float]:
    terms = product.terms.OnDemand.values()
    return [dimension.pricePerUnit.USD for term in terms for dimension in term.priceDimensions.values()]
