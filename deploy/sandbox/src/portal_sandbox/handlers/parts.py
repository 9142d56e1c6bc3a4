"""The JSON of one archive of a file, by the module that the file is about."""

from portal_sandbox.data import PortalData
from portal_sandbox.files import Job
from portal_sandbox.handlers import gstr1, gstr2a, ims


def part_json(data: PortalData, job: Job, number: int) -> bytes:
    """The items of one archive; the same bytes each time."""
    start, end = data.files.slice_of(job, number)
    match job.call.family:
        case "ims":
            return ims.part_json(data, job.call, job.as_of, start, end)
        case "gstr2a":
            return gstr2a.part_json(data, job.call, job.as_of, start, end)
        case _:
            return gstr1.part_json(data, job.call, start, end)
