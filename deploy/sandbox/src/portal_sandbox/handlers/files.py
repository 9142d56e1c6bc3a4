"""FILEDET and the archives behind its links."""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from hashlib import sha256
from urllib.parse import parse_qs

from portal_sandbox.calls import Call
from portal_sandbox.data import PortalData
from portal_sandbox.envelope import Answer, Payload, Refusal, encode
from portal_sandbox.files import OWN_DETAILS, Job, Link
from portal_sandbox.handlers.parts import part_json
from portal_sandbox.handlers.refusals import INVALID_PARAMETER, MISSING_PARAMETER


def details(data: PortalData, call: Call) -> Answer:
    """The links of a finished file. Spoils: `bad_hash` of the first, the last one missing, all expired."""
    token = call.parameters.get("token", "")
    if not token:
        return MISSING_PARAMETER
    job = data.files.find(call.gstin, token)
    if job is None or call.family != (job.call.family if job.call.family in OWN_DETAILS else "returns"):
        return INVALID_PARAMETER
    refused = data.files.not_ready(job, data.now_s)
    return refused or Payload(encode(_listed(data, call, job)))


def _listed(data: PortalData, call: Call, job: Job) -> dict[str, object]:
    lived_s = data.files.rules.link_life_s if call.spoil == "expired_link" else 0
    urls = []
    for number in data.files.parts(job):
        digest = sha256(_archive(data, job, number)).hexdigest()
        start, end = data.files.slice_of(job, number)
        link = data.files.link(job, number, data.now_s - lived_s)
        urls.append({"ul": link.text, "hash": digest, "ic": end - start})
    count = len(urls)
    if call.spoil == "bad_hash":
        urls[0]["hash"] = sha256(b"").hexdigest()
    if call.spoil == "missing_part":
        urls.pop()
    return {"ek": b64encode(data.files.key(job)).decode(), "fc": count, "urls": urls}


def download(data: PortalData, call: Call) -> bytes | Refusal:
    """The archive behind a link. Spoils: damaged bytes, an expired link, an archive that is gone."""
    found = _linked(data, call, Link(call.path, call.parameters.get("digest", ""), _number(call, "expires")))
    if isinstance(found, Refusal):
        return found
    body = _archive(data, *found)
    return body[:-1] + bytes((body[-1] ^ 1,)) if call.spoil == "bad_hash" else body


def opened(data: PortalData, call: Call) -> Answer:
    """Style B: the JSON of one archive; the key must be the one that came with the link."""
    path, _, query = call.parameters.get("url", "").partition("?")
    fields = {name: values[0] for name, values in parse_qs(query).items()}
    expires = fields.get("expires", "")
    link = Link(path, fields.get("digest", ""), int(expires) if expires.isdecimal() else 0)
    found = _linked(data, call, link)
    if isinstance(found, Refusal):
        return found
    job, number = found
    if _key(call.parameters.get("ek", "")) != data.files.key(job):
        return INVALID_PARAMETER
    return Payload(part_json(data, job, number))


def _linked(data: PortalData, call: Call, link: Link) -> tuple[Job, int] | Refusal:
    if call.spoil in {"expired_link", "missing_part"} or not data.files.is_good(link, data.now_s):
        return Refusal(data.files.rules.link_refusal)
    token, _, name = link.path.partition("/")
    job = data.files.find(call.gstin, token)
    return Refusal(data.files.rules.link_refusal) if job is None else (job, int(name.partition(".")[0]))


def _archive(data: PortalData, job: Job, number: int) -> bytes:
    return data.files.archive(job, number, lambda: part_json(data, job, number))


def _number(call: Call, name: str) -> int:
    text = call.parameters.get(name, "")
    return int(text) if text.isdecimal() else 0


def _key(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (NotBase64, ValueError):
        return b""
