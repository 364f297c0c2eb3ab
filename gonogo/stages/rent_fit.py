"""Which machine to rent for an experiment: the cheapest whose card its training step fits, by its memory gate."""

from __future__ import annotations

from pydantic import BaseModel

from gonogo.base.errors import UserError
from gonogo.base.models import read_model
from gonogo.base.units import dollars
from gonogo.memory.cards import CardRow
from gonogo.remote.providers import FailsInPassing
from gonogo.stages.rent_order import NotRented, Renting
from gonogo.verdict import Status


class PlannedCards(BaseModel):
    """Of the memory gate's plan.json: what each card of the catalogue says to the training step."""

    cards: list[CardRow]


def cheapest_fit(renting: Renting, experiment: str) -> Renting:
    """The same, of the type that costs least now of those whose card the experiment fits with room to spare.

    Raises:
        UserError: there is no plan, or none of the target's types has a card that it fits.
        NotRented: the provider has none of them.
    """
    types = renting.rent.types
    path = renting.settings.paths(experiment).memory_plan
    if not path.exists():
        raise UserError(
            f"{path}: not found; run the workflow up to the memory gate of {experiment} first. Nothing was rented"
        )
    cards = read_model(PlannedCards, path).cards
    fitting = [card.name for card in cards if card.status is Status.GO and card.name in types]
    if not fitting:
        known = ", ".join(f"{card.name}: {card.word}" for card in cards if card.name in types) or "none is planned for"
        raise UserError(f"{experiment} fits no card of rent.types ({known}). Nothing was rented")
    offers: list[tuple[float, str, Renting]] = []
    for name in fitting:
        one = Renting(
            renting.settings, renting.rent.model_copy(update={"type": types[name]}), renting.say, accelerator=name
        )
        try:
            offers.append((one.there.offer(renting.login_key), name, one))
        except FailsInPassing:
            raise
        except UserError as error:
            renting.say(f"{name}: {error}")
    if not offers:
        raise NotRented(
            f"no type whose card {experiment} fits can be had now ({', '.join(fitting)}). Nothing was rented."
        )
    said = "; ".join(
        f"{name} {dollars(price)} an hour" for price, name, _ in sorted(offers, key=lambda offer: offer[:2])
    )
    renting.say(f"{experiment} fits: {said}")
    return min(offers, key=lambda offer: offer[:2])[2]
