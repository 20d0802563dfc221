"""`locate_address`: asks a geocoder that allows 100 calls a minute, from any number of workers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from app import contract
from app.errors import FarSideBusyError
from app.kinds import at_least_once
from app.patterns.far_side import ask
from app.patterns.rate_limit import RateLimit
from app.settings import load
from app.storage.engine import engine

GEOCODER = RateLimit(name="geocoder", calls=100, seconds=60, in_flight=10)

SCHEMA = """
    CREATE TABLE IF NOT EXISTS tasks.addresses (
        address_id text PRIMARY KEY, latitude float8 NOT NULL, longitude float8 NOT NULL
    )
"""
STORE = text("""
    INSERT INTO tasks.addresses VALUES (:address_id, :latitude, :longitude)
    ON CONFLICT (address_id) DO UPDATE SET latitude = excluded.latitude, longitude = excluded.longitude
""")


class Address(BaseModel):
    """An address as somebody wrote it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    address_id: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")
    words: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")


class Place(BaseModel):
    """What the geocoder answers."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


@at_least_once(queue=contract.external_queue(), http=True, schema=SCHEMA)
def locate_address(address: Address) -> None:
    """Find out where an address is, and store it."""
    try:
        with GEOCODER.turn():
            answer = ask("GET", f"{load().examples_url}/locate", params={"q": address.words})
    except FarSideBusyError as busy:
        GEOCODER.penalise(busy.after_seconds)
        raise
    place = Place.model_validate_json(answer.content)
    with engine().begin() as connection:
        connection.execute(STORE, {"address_id": address.address_id, **place.model_dump()})
