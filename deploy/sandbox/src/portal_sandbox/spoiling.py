"""What a scenario does to the content of an answer, in every module alike."""

import re

from msgspec.structs import replace

from portal_sandbox.calls import Call
from portal_sandbox.envelope import Answer, Payload

_A_TOTAL = re.compile(rb'"(ttldocs|ttl_rec|total|tot_rng_bal)":-?[\d.]+')
_A_STRANGER = b'"gstin":"27AAPFU0939F1ZV"'


def spoiled(call: Call, answer: Answer) -> Answer:
    """`foreign_body`: it names another registration than the one asked for; `wrong_total`: one of its sums is off."""
    if not isinstance(answer, Payload):
        return answer
    match call.spoil:
        case "foreign_body":
            return replace(answer, json=answer.json.replace(f'"gstin":"{call.gstin}"'.encode(), _A_STRANGER, 1))
        case "wrong_total":
            return replace(answer, json=_A_TOTAL.sub(rb'"\1":9999', answer.json, count=1))
        case _:
            return answer
