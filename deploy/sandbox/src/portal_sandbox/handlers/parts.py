"""The JSON of one archive of a file, by the module that the file is about."""

from portal_sandbox.data import PortalData
from portal_sandbox.files import Job
from portal_sandbox.handlers import gstr1
from portal_sandbox.periods import parse_period


def part_json(data: PortalData, job: Job, start: int, end: int) -> bytes:
    """Items `start` to before `end`; the same bytes each time."""
    period = parse_period(job.period)
    if period is None:
        raise LookupError(f"no files of {job.family}")
    found = data.gstr1a(job.gstin, period) if job.family == "gstr1a" else data.gstr1(job.gstin, period)
    return gstr1.part_json(found, job.action, start, end)
