"""Exit statuses, the same for every command, so that a cron job can act on them."""

from enum import IntEnum


class Exit(IntEnum):
    """What the exit status says."""

    OK = 0
    """Done; a watched bucket ended complete."""
    REFUSED = 1
    """The service refused: the problem's code and cure are on standard error."""
    USAGE = 2
    """Wrong arguments; nothing was sent."""
    GAPS = 3
    """The bucket ended, complete with gaps."""
    FAILED = 4
    """The bucket ended failed or cancelled."""
    UNREACHABLE = 5
    """No answer from the service within the deadline."""
    TIMED_OUT = 6
    """The bucket was still running when `--timeout` was over; it goes on."""


OF_VERDICT = {
    "complete": Exit.OK,
    "complete_with_gaps": Exit.GAPS,
    "failed": Exit.FAILED,
    "cancelled": Exit.FAILED,
}
