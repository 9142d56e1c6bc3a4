"""Fictitious GSTINs with valid check characters."""

from bucket_api.clients.identifiers import check_character


def fictitious_gstin(number: int, *, state: str = "29", fourteenth: str = "Z") -> str:
    """The n-th GSTIN of a state. PANs begin with ZZ: no real one of the fixtures' kind does."""
    letters = f"ZZ{chr(65 + number // 260_000 % 26)}{chr(65 + number // 10_000 % 26)}"
    first = f"{state}{letters}X{number % 10_000:04d}K1{fourteenth}"
    return first + check_character(first)
