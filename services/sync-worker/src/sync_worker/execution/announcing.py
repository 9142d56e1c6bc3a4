"""From the ending of an attempt to the event that says so. Pure."""

from typing import assert_never

from sync_contracts.commands import Command
from sync_contracts.events import Cancelled, Failed, ResultEvent, Retry, Started, Succeeded, Timing

from sync_worker.execution.retry import Done, Ending, GiveUp, Stopped, TryAgain

NO_TIMING = Timing()


def event_of(command: Command, ending: Ending, timing: Timing = NO_TIMING) -> ResultEvent:
    """The one event of an attempt."""
    at = command
    match ending:
        case Done(code=code, rows=rows, flags=flags, dataset_ver=ver, pcode=pcode):
            return Succeeded(
                tenant=at.tenant,
                bucket=at.bucket,
                page=at.page,
                ci=at.ci,
                mi=at.mi,
                attempt=at.attempt,
                code=code,
                flags=flags,
                rows=rows,
                dataset_ver=ver,
                pcode=pcode,
                timing=timing,
            )
        case TryAgain(code=code, counted=counted, delay_ms=delay_ms, cont=cont, pcode=pcode):
            return Retry(
                tenant=at.tenant,
                bucket=at.bucket,
                page=at.page,
                ci=at.ci,
                mi=at.mi,
                attempt=at.attempt,
                code=code,
                counted=counted,
                delay_ms=delay_ms,
                cont=cont,
                pcode=pcode,
                timing=timing,
            )
        case GiveUp(code=code, pcode=pcode):
            return Failed(
                tenant=at.tenant,
                bucket=at.bucket,
                page=at.page,
                ci=at.ci,
                mi=at.mi,
                attempt=at.attempt,
                code=code,
                pcode=pcode,
                timing=timing,
            )
        case Stopped():
            return Cancelled(tenant=at.tenant, bucket=at.bucket, page=at.page, ci=at.ci, mi=at.mi, attempt=at.attempt)
        case _:
            assert_never(ending)


def started(command: Command) -> Started:
    """A worker is on it."""
    at = command
    return Started(tenant=at.tenant, bucket=at.bucket, page=at.page, ci=at.ci, mi=at.mi, attempt=at.attempt)
