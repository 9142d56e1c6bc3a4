"""Applications that talk to the sandbox, written from the portal's documentation, not from the sandbox's code."""

import hmac
import uuid
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

APP_KEY = b"0123456789abcdef0123456789abcdef"
Changes = Mapping[str, str | None]
NOTHING: Changes = {}
GSP = {"clientid": "sandbox-gsp", "client-secret": "sandbox-gsp-secret"}
CERTIFICATE = "/static/gstn_sandbox_public"


def aes(plain: bytes, key: bytes) -> str:
    padder = PKCS7(128).padder()
    padded = padder.update(plain) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def unaes(text: str, key: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
    padded = decryptor.update(b64decode(text)) + decryptor.finalize()
    unpadder = PKCS7(128).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def code_of(body: Mapping[str, Any]) -> str:
    """The error code, or "" for a success."""
    error: Mapping[str, str] = body.get("error", {})
    return error.get("error_cd", "")


class StyleACaller:
    """One application with one GSP account, acting for one taxpayer."""

    def __init__(self, portal: httpx.AsyncClient, gstin: str, username: str) -> None:
        self.portal = portal
        self.gstin = gstin
        self.username = username
        self.app_key = APP_KEY
        self.token = ""
        self.session_key = b""
        self.certificate = b""

    def headers(self, changes: Changes = NOTHING) -> dict[str, str]:
        """Those of every call; a None in `changes` leaves one out."""
        found: dict[str, str | None] = {
            **GSP, "state-cd": self.gstin[:2], "ip-usr": "127.0.0.1", "txn": uuid.uuid4().hex,
        }  # fmt: skip
        return {name: value for name, value in (found | dict(changes)).items() if value is not None}

    async def rsa(self, plain: bytes) -> str:
        if not self.certificate:
            self.certificate = (await self.portal.get(CERTIFICATE)).content
        public = x509.load_pem_x509_certificate(self.certificate).public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        return b64encode(public.encrypt(plain, rsa_padding.PKCS1v15())).decode()

    async def authenticate(self, body: Mapping[str, str]) -> dict[str, Any]:
        path = "/taxpayerapi/v1.0/authenticate"
        answer = await self.portal.post(path, json=body, headers=self.headers())
        decoded: dict[str, Any] = answer.json()
        if "sek" in decoded:
            self.token = decoded["auth_token"]
            self.session_key = unaes(decoded["sek"], self.app_key)
        return decoded

    async def ask_otp(self) -> dict[str, Any]:
        body = {"action": "OTPREQUEST", "username": self.username, "app_key": await self.rsa(self.app_key)}
        return await self.authenticate(body)

    async def open(self, otp: str) -> dict[str, Any]:
        body = {
            "action": "AUTHTOKEN",
            "username": self.username,
            "app_key": await self.rsa(self.app_key),
            "otp": aes(otp.encode(), self.app_key),
        }
        return await self.authenticate(body)

    async def refresh(self, app_key: str | None = None) -> dict[str, Any]:
        body = {
            "action": "REFRESHTOKEN",
            "username": self.username,
            "auth_token": self.token,
            "app_key": app_key or aes(self.app_key, self.session_key),
        }
        return await self.authenticate(body)

    async def log_out(self) -> dict[str, Any]:
        return await self.authenticate({"action": "LOGOUT", "username": self.username, "auth_token": self.token})

    async def raw(self, path: str, query: Mapping[str, str], changes: Changes = NOTHING) -> httpx.Response:
        """A data call as it comes over the wire."""
        own: dict[str, str | None] = {"gstin": self.gstin, "username": self.username, "auth-token": self.token}
        headers = self.headers(own | dict(changes))
        return await self.portal.get(f"/taxpayerapi/{path}", params=dict(query), headers=headers)

    async def get(self, path: str, query: Mapping[str, str], changes: Changes = NOTHING) -> dict[str, Any]:
        """The decrypted JSON of a data call, or its failure envelope."""
        answer = await self.raw(path, query, changes)
        sealed: dict[str, str] = answer.json()
        if code_of(sealed):
            return sealed
        response_key = unaes(sealed["rek"], self.session_key)
        text = unaes(sealed["data"], response_key)
        assert b64encode(hmac.digest(response_key, text, "sha256")).decode() == sealed["hmac"]
        decoded: dict[str, Any] = msgspec.json.decode(b64decode(text))
        return decoded

    async def twob(self, period: str, file_num: int | None = None, changes: Changes = NOTHING) -> dict[str, Any]:
        query = {"action": "GET2B", "gstin": self.gstin, "rtnprd": period}
        if file_num is not None:
            query["file_num"] = str(file_num)
        return await self.get("v2.0/returns/gstr2b", query, {"ret_period": period, **changes})

    async def raw_twob(self, period: str, changes: Changes = NOTHING) -> httpx.Response:
        """The encrypted 2B."""
        query = {"action": "GET2B", "gstin": self.gstin, "rtnprd": period}
        return await self.raw("v2.0/returns/gstr2b", query, {"ret_period": period, **changes})

    async def notices(self, action: str, **query: str) -> dict[str, Any]:
        return await self.get("v1.0/notices", {"action": action, "gstin": self.gstin, **query})


class PublicCaller:
    """The same application at the public API, with its own token."""

    def __init__(self, caller: StyleACaller) -> None:
        self.caller = caller
        self.token = ""

    async def log_in(self, password: str = "sandbox-asp-secret") -> dict[str, Any]:
        body = {
            "action": "ACCESSTOKEN",
            "username": "sandbox-asp",
            "password": await self.caller.rsa(password.encode()),
            "app_key": await self.caller.rsa(APP_KEY),
        }
        answer = await self.caller.portal.post("/commonapi/v0.2/authenticate", json=body, headers=GSP)
        decoded: dict[str, Any] = answer.json()
        self.token = decoded.get("auth_token", "")
        return decoded

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        headers = {**GSP, "auth_token": self.token, "txn": uuid.uuid4().hex}
        answer = await self.caller.portal.get(f"/commonapi/{path}", params=query, headers=headers)
        body: dict[str, Any] = answer.json()
        if code_of(body):
            return body
        decoded: dict[str, Any] = msgspec.json.decode(b64decode(body["data"]))
        return decoded

    async def rettrack(self, gstin: str, year: str, **query: str) -> dict[str, Any]:
        return await self.get("v1.0/returns", action="RETTRACK", gstin=gstin, fy=year, **query)


class StyleBCaller:
    """An application whose GSP keeps the session."""

    def __init__(self, portal: httpx.AsyncClient, gstin: str, username: str) -> None:
        self.portal = portal
        self.gstin = gstin
        self.username = username
        self.txn = ""

    def headers(self, changes: Changes = NOTHING) -> dict[str, str]:
        found: dict[str, str | None] = {
            "client_id": "sandbox-gsp",
            "client_secret": "sandbox-gsp-secret",
            "gst_username": self.username,
            "state_cd": self.gstin[:2],
            "ip_address": "127.0.0.1",
            "txn": self.txn,
            "gstin": self.gstin,
        }
        return {name: value for name, value in (found | dict(changes)).items() if value}

    async def raw(
        self, path: str, query: Mapping[str, str] | None = None, changes: Changes = NOTHING
    ) -> httpx.Response:
        parameters = {"email": "office@example.invalid", **(query or {})}
        return await self.portal.get(f"/style-b/{path}", params=parameters, headers=self.headers(changes))

    async def get(
        self, path: str, query: Mapping[str, str] | None = None, changes: Changes = NOTHING
    ) -> dict[str, Any]:
        decoded: dict[str, Any] = (await self.raw(path, query, changes)).json()
        return decoded

    async def ask_otp(self) -> dict[str, Any]:
        body = await self.get("authentication/otprequest")
        self.txn = body["header"].get("txn", "")
        return body

    async def open(self, otp: str) -> dict[str, Any]:
        return await self.get("authentication/authtoken", {"otp": otp})

    async def twob(self, period: str, **query: str) -> dict[str, Any]:
        return await self.get("gstr2b/all", {"gstin": self.gstin, "rtnprd": period, **query}, {"ret_period": period})
