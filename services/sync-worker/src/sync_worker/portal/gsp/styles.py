"""The two ways of a GSP with a taxpayer's session, pure: which values a request carries, and what its answer opens.

Passthrough: the application holds the app key and the session key, and decrypts. Managed: the GSP holds them, and a
handle (`txn`) stands for the session. Whatever does not open is `None`.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from sync_worker.portal.gsp import crypto
from sync_worker.portal.gsp.crypto import Certificate
from sync_worker.portal.gsp.envelope import Fields, text_of
from sync_worker.portal.gsp.keys import Handshake, Keys

Values = dict[str, str]


class Opened(NamedTuple):
    """A session just opened or extended; `expiry_min` None when the portal did not say."""

    keys: Keys
    expiry_min: int | None


class Passthrough:
    """The application does the cryptography."""

    name: Final = "passthrough"
    needs_certificate: Final = True

    def asking(self, handshake: Handshake, certificate: Certificate | None) -> Values:
        """Values of `otp.request`."""
        return {"username": handshake.username, "app_key_rsa": _sealed_key(handshake, certificate)}

    def asked(self, handshake: Handshake, fields: Fields) -> Handshake | None:  # noqa: ARG002 - nothing comes back
        """The handshake after an OTP was sent."""
        return handshake

    def submitting(self, handshake: Handshake, otp: str, certificate: Certificate | None) -> Values:
        """Values of `otp.submit`."""
        sealed = crypto.encrypt_text(otp.encode(), handshake.app_key)
        return {**self.asking(handshake, certificate), "otp_sealed": sealed}

    def submitted(self, handshake: Handshake, fields: Fields) -> Opened | None:
        """The session that an accepted OTP opens."""
        return self._opened(handshake.username, handshake.app_key, fields)

    def using(self, keys: Keys) -> Values:
        """Values of every call inside a session."""
        return {
            "username": keys.username,
            "token": keys.token,
            "app_key_ek": crypto.encrypt_text(keys.app_key, keys.ek),
        }

    def refreshed(self, keys: Keys, fields: Fields) -> Opened | None:
        """The extended session; its new `sek` opens with the app key, not with the old session key."""
        return self._opened(keys.username, keys.app_key, fields)

    def data(self, keys: Keys, fields: Fields) -> bytes | None:
        """The JSON of a data call, its HMAC checked."""
        rek, data, digest = (text_of(fields, name) for name in ("rek", "data", "hmac"))
        if rek is None or data is None or digest is None:
            return None
        return crypto.open_answer(rek=rek, data=data, hmac_text=digest, ek=keys.ek)

    def _opened(self, username: str, app_key: bytes, fields: Fields) -> Opened | None:
        token, sek = text_of(fields, "auth_token"), text_of(fields, "sek")
        ek = None if sek is None else crypto.session_key(sek, app_key)
        if not token or ek is None:
            return None
        return Opened(Keys(self.name, username, token, app_key, ek), expiry_min(fields))


class Managed:
    """The GSP holds the keys."""

    name: Final = "managed"
    needs_certificate: Final = False

    def asking(self, handshake: Handshake, certificate: Certificate | None) -> Values:  # noqa: ARG002 - see above
        """Values of `otp.request`."""
        return {"username": handshake.username}

    def asked(self, handshake: Handshake, fields: Fields) -> Handshake | None:
        """The handshake with its handle, which one GSP answers in `header` and another in `data`."""
        handle = _handle(fields)
        return None if handle is None else msgspec.structs.replace(handshake, handle=handle)

    def submitting(self, handshake: Handshake, otp: str, certificate: Certificate | None) -> Values:  # noqa: ARG002
        """Values of `otp.submit`."""
        return {"username": handshake.username, "token": handshake.handle, "otp": otp}

    def submitted(self, handshake: Handshake, fields: Fields) -> Opened | None:
        """The session that an accepted OTP opens; without a new handle the old one goes on."""
        handle = _handle(fields) or handshake.handle
        return Opened(Keys(self.name, handshake.username, handle), expiry_min(fields)) if handle else None

    def using(self, keys: Keys) -> Values:
        """Values of every call inside a session."""
        return {"username": keys.username, "token": keys.token}

    def refreshed(self, keys: Keys, fields: Fields) -> Opened | None:
        """The extended session."""
        handle = _handle(fields) or keys.token
        return Opened(msgspec.structs.replace(keys, token=handle), expiry_min(fields))

    def data(self, keys: Keys, fields: Fields) -> bytes | None:  # noqa: ARG002 - nothing to decrypt
        """The JSON of a data call: an object, or base64 text of one."""
        return plain_data(fields)


Style = Passthrough | Managed
STYLES: Final[Mapping[str, Style]] = {style.name: style for style in (Passthrough(), Managed())}


def plain_data(fields: Fields) -> bytes | None:
    """`data` of an answer that is not encrypted: an object as it is, or base64 text of the JSON."""
    if "data" not in fields:
        return None
    inner = bytes(fields["data"])
    if not inner.startswith(b'"'):
        return inner
    return crypto.from_base64(text_of(fields, "data") or "")


def expiry_min(fields: Fields) -> int | None:
    """Life of a token in minutes, number or text."""
    text = text_of(fields, "expiry") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def _handle(fields: Fields) -> str | None:
    for name in ("header", "data"):
        raw = fields.get(name)
        try:
            place = {} if raw is None else msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        except msgspec.DecodeError:
            continue
        if handle := text_of(place, "txn"):
            return handle
    return None


def _sealed_key(handshake: Handshake, certificate: Certificate | None) -> str:
    if certificate is None:
        raise ValueError("this style needs the portal's certificate")
    return certificate.encrypt(handshake.app_key)


def sealed_password(password: str, certificate: Certificate, app_key: bytes) -> Values:
    """Values of `public.token` that are encrypted."""
    return {"asp_password_rsa": certificate.encrypt(password.encode()), "app_key_rsa": certificate.encrypt(app_key)}
