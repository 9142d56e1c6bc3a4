"""What a handler answers, and the envelopes in which it goes out.

A business failure is HTTP 200 with `status_cd` 0 and a code; the spelling of the fields is an assumption.
"""

import os
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import msgspec

from portal_sandbox.assumptions import Assumptions
from portal_sandbox.crypto import KEY_BYTES, seal

JSON = "application/json"
encode = msgspec.json.Encoder(decimal_format="number").encode


class Payload(msgspec.Struct, frozen=True):
    """A success: the JSON of the answer. `status_cd` is "3" on the first answer of a multi-part 2B (style B only)."""

    json: bytes
    status_cd: str = "1"


class Refusal(msgspec.Struct, frozen=True):
    """A failure by code; `http` stays 200 for business failures."""

    code: str
    http: int = 200


Answer = Payload | Refusal


class Reply(msgspec.Struct, frozen=True):
    """What goes over the wire; `code` is for the journal and empty on success."""

    body: bytes
    http: int = 200
    code: str = ""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


class Envelopes:
    """Builds replies in the spelling that the assumptions choose."""

    def __init__(self, assumptions: Assumptions) -> None:
        self._status_is_text = assumptions.text("envelope.status_cd") == "string"
        self._code_field = assumptions.text("envelope.error_code_field")
        self._text_field = assumptions.text("envelope.error_text_field")
        self._public_is_plain = assumptions.text("public.answer") == "plain"

    def refusal(self, refusal: Refusal) -> Reply:
        body = {"status_cd": self._status("0"), "error": self._error(refusal.code)}
        return Reply(encode(body), refusal.http, refusal.code)

    def plain(self, fields: Mapping[str, Any]) -> Reply:
        """`status_cd` and fields at top level: the answers of the authentication calls."""
        return Reply(encode({"status_cd": self._status("1"), **fields}))

    def public(self, payload: Payload) -> Reply:
        """The public API does not encrypt."""
        if self._public_is_plain:
            return Reply(payload.json)
        return self.plain({"data": b64encode(payload.json).decode()})

    def unsealed(self, payload: Payload) -> Reply:
        """Style A without encryption: the members of the JSON object beside `status_cd`."""
        return self.plain(msgspec.json.decode(payload.json, type=dict[str, msgspec.Raw]))

    def encrypted(self, payload: Payload, session_key: bytes, *, damaged: bool = False) -> Reply:
        """Style A; `damaged` spoils the HMAC."""
        sealed = seal(payload.json, session_key, os.urandom(KEY_BYTES))
        digest = sealed.hmac[::-1] if damaged else sealed.hmac
        return self.plain({"rek": sealed.rek, "data": sealed.data, "hmac": digest})

    def style_b(self, payload: Payload, header: Mapping[str, str]) -> Reply:
        body = {
            "status_cd": self._status(payload.status_cd),
            "status_desc": "Success",
            "header": header,
            "data": msgspec.Raw(payload.json),
        }
        return Reply(encode(body))

    def style_b_refusal(self, refusal: Refusal, header: Mapping[str, str]) -> Reply:
        body = {
            "status_cd": self._status("0"),
            "status_desc": "Failure",
            "header": header,
            "error": self._error(refusal.code),
        }
        return Reply(encode(body), refusal.http, refusal.code)

    def _status(self, status_cd: str) -> str | int:
        return status_cd if self._status_is_text else int(status_cd)

    def _error(self, code: str) -> dict[str, str]:
        return {self._code_field: code, self._text_field: MESSAGES.get(code, "Request refused")}


MESSAGES = {
    "RETOTPREQUEST": "Please request an OTP first",
    "AUTH4032": "Invalid user name",
    "AUTH4033": "Invalid session",
    "AUTH4034": "Invalid OTP",
    "AUTH4036": "Invalid app key",
    "AUTH4037": "API access is not enabled",
    "AUTH4038": "Session has expired",
    "AUTH403": "Maximum number of sessions reached",
    "AUTH158": "Authorisation failed",
    "RET2B1010": "Authorisation failed",
    "RET13504": "Please try again later",
    "RET13509": "OTP expired or incorrect; on reads: no documents",
    "RET13508": "No details found",
    "RTN_24": "File generation is in progress",
    "RTN_25": "Error in file generation",
    "RTN_32": "File generation is already requested",
    "IMS_FILEGEN_03": "File generation is in progress",
    "IMS0004": "No records found",
    "IMS2B007": "GSTR-3B of this period is already filed",
    "IMS2B009": "The draft GSTR-2B does not exist yet",
    "RETWEB_04": "No invoices found",
    "RET13510": "No record found",
    "RET2B1016": "No data for the requested period",
    "RET2B1018": "GSTR-2B is available from the 14th of the following month",
    "RET2B1023": "GSTR-2B is not generated yet",
    "GTR2B-001": "GSTR-2B is not applicable",
    "GTR2B-002": "GSTR-2B is not generated because GSTR-3B of the previous period is not filed",
    "NOTC_010": "No notices found",
    "TEC4002": "Invalid data format",
    "GEN5008": "The system is under maintenance",
    "SWEB9033": "Password has expired",
    "SWEB9035": "Account is locked",
}
