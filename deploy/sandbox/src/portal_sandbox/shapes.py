"""Fifty kinds of client, as data: each number makes the portal behave in one way, for journeys over all modules."""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Annotated, Any

import msgspec

from portal_sandbox.control_bodies import TaxpayerChange
from portal_sandbox.identifiers import with_check_character
from portal_sandbox.taxpayers import Taxpayer, taxpayer


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of client.

    `pan` and `fourteenth` make its number; `change` is what the control port must be told first (nothing in most).
    `applies`: the modules that have something to fetch; all others are not applicable or have no data.
    """

    pan: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{5}[0-9]{4}[A-Z]$")]
    about: str
    applies: tuple[str, ...]
    state: str = "27"
    fourteenth: str = "Z"
    change: TaxpayerChange = TaxpayerChange()

    @property
    def gstin(self) -> str:
        return with_check_character(f"{self.state}{self.pan}1{self.fourteenth}")

    def traits(self, seed: int) -> Taxpayer:
        return taxpayer(self.gstin, seed)


def load_shapes() -> dict[str, Shape]:
    """By name, in the order of the file."""
    document = tomllib.loads(files("portal_sandbox").joinpath("shapes.toml").read_text(encoding="utf-8"))
    sets: dict[str, list[str]] = document.pop("sets")
    return {name: msgspec.convert(_with_set(fields, sets), Shape) for name, fields in document.items()}


def _with_set(fields: dict[str, Any], sets: dict[str, list[str]]) -> dict[str, Any]:
    """`applies` may be the name of a set of modules."""
    applies = fields["applies"]
    return {**fields, "applies": sets[applies] if isinstance(applies, str) else applies}


def shape_rows(seed: int) -> Iterator[dict[str, str]]:
    """Name, number, portal user and description of each shape."""
    for name, shape in load_shapes().items():
        traits = shape.traits(seed)
        yield {
            "shape": name,
            "gstin": shape.gstin,
            "name": traits.legal_name,
            "portal_username": traits.portal_username,
            "kind": traits.kind,
            "about": shape.about,
        }
