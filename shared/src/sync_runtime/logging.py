"""Logs: one JSON object per line, with what happened in `action`, and without secrets.

Use: `log.info("page folded", extra={"action": "fold", "bucket": bucket_id})`.
"""

import asyncio
import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

import msgspec

from sync_runtime.redaction import REDACTED, exception_text, is_secret_key, redacted, scrub
from sync_runtime.settings import RuntimeSettings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
CHATTY = ("httpx", "httpcore", "aiohttp.access", "aiokafka", "pymongo", "motor", "faststream", "uvicorn")
"""Libraries that log requests or their own every step; from WARNING on they are heard."""
MAX_FRAMES = 30
MAX_CAUSES = 5


class RedactionFilter(logging.Filter):
    """Removes secrets from message, arguments and extra fields before any handler writes them."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = scrub(_message(record))
        record.args = None
        for key, value in _extra(record).items():
            setattr(record, key, REDACTED if is_secret_key(key) else redacted(value))
        return True


class JsonLines(logging.Formatter):
    """One JSON object per line. Of an exception it shows class and place; the text may hold data and is left out."""

    def __init__(self, service: str, instance_id: str) -> None:
        super().__init__()
        self._origin = {"service": service, "instance": instance_id}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            **self._origin,
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _causes(record.exc_info[1])
            line["frames"] = _frames(record.exc_info[2])
        return msgspec.json.encode(line, enc_hook=str).decode()


def configure(settings: RuntimeSettings, service: str, stream: TextIO = sys.stderr) -> None:
    """Send every logger of this process through the redaction filter to `stream`; called once, by `__main__`."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactionFilter())
    handler.setFormatter(JsonLines(service, settings.instance_id))
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_loop_error(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Event loop's exception handler: its default writes the text of exceptions, which may hold data."""
    error = context.get("exception")
    cause = context.get("message", "").split(":")[0]
    logging.getLogger("asyncio").error(
        "event loop: %s", cause, exc_info=error if error is not None else False, extra={"action": "loop-error"}
    )


def _message(record: logging.LogRecord) -> str:
    """The formatted message; exceptions among the arguments are reduced to what may be shown."""
    if isinstance(record.msg, BaseException):
        return exception_text(record.msg)
    if isinstance(record.args, tuple):
        record.args = tuple(exception_text(a) if isinstance(a, BaseException) else a for a in record.args)
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} [arguments do not fit the message]"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _causes(error: BaseException) -> list[str]:
    """The exception and what it was raised from, outermost first."""
    chain: list[str] = []
    current: BaseException | None = error
    while current is not None and len(chain) < MAX_CAUSES:
        chain.append(exception_text(current))
        current = current.__cause__
    return chain


def _frames(trace: TracebackType | None) -> list[str]:
    return [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(trace)[-MAX_FRAMES:]]
