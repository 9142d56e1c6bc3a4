"""A portal that answers from a table, for the modules' own checks."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from sync_worker.modules.port import Answer, Call, Refusal

Said = Mapping[str, Any] | Refusal


class ScriptedPortal:
    """Answers by action and, where given, part, reference or document id; several answers come one after another."""

    def __init__(self, answers: Mapping[str, Said | list[Said]]) -> None:
        self._answers = {name: list(said) if isinstance(said, list) else [said] for name, said in answers.items()}
        self.asked: list[Call] = []

    async def call(self, call: Call) -> Answer | Refusal:
        self.asked.append(call)
        detail = call.params.get("part") or call.params.get("ref") or call.params.get("id")
        name = f"{call.action} {detail}" if detail else call.action
        answers = self._answers[name]
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(said, Refusal):
            return said
        raw = msgspec.json.Encoder(decimal_format="number").encode(said)
        return Answer(msgspec.json.Decoder(float_hook=Decimal).decode(raw), raw)
