"""supervisord's configuration, generated from slots; pure."""

import hashlib
import shlex
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from local_stack.process import bound_to_parent
from local_stack.programs import Slot, inherited_by

_LONGEST_SOCKET_PATH = 90
"""A unix socket's path has at most 107 bytes on Linux, and supervisord appends its pid while it makes one."""

_DAEMON = """\
; Generated from local_stack.programs at every start; edits are lost
[unix_http_server]
file = {socket}
chmod = 0700

[supervisord]
pidfile = {run_dir}/supervisord.pid
logfile = {logs_dir}/supervisord.log
childlogdir = {logs_dir}
logfile_maxbytes = 5MB
logfile_backups = 1

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl = unix://{socket}
"""

_PROGRAM = """
[program:{name}]
command = {command}
environment = {environment}
directory = {directory}
; Started in order by the stack, then kept up: a killed process is back in its own slot at once
autostart = false
autorestart = true
startsecs = 1
; The last in the table stops first, servers after those who use them
priority = {priority}
startretries = 20
stopsignal = {stop_signal}
stopwaitsecs = {stop_timeout_s}
redirect_stderr = true
stdout_logfile = {logs_dir}/{name}.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 2
"""


class UnwritableValue(Exception):
    """A value that supervisord's configuration has no way to write; the text names the variable, never the value."""


def socket_path(run_dir: Path) -> Path:
    """supervisord's control socket: in the run directory, or under a short temporary path when that is too long."""
    path = run_dir / "supervisor.sock"
    if len(bytes(path)) <= _LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(bytes(run_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"sync-bucket-{digest}" / "supervisor.sock"


def render(
    slots: Iterable[Slot], *, directory: Path, run_dir: Path, logs_dir: Path, inherited: Mapping[str, str]
) -> str:
    """The whole configuration file. Each slot gets its part of `inherited`; a slot's own wins."""
    daemon = _DAEMON.format(socket=_text(socket_path(run_dir)), run_dir=_text(run_dir), logs_dir=_text(logs_dir))
    programs = [_program(slot, number, directory, logs_dir, inherited) for number, slot in enumerate(slots, 1)]
    return daemon + "".join(programs)


def _program(slot: Slot, priority: int, directory: Path, logs_dir: Path, inherited: Mapping[str, str]) -> str:
    environment = {**inherited_by(slot, inherited), **slot.environment, "PYTHONUNBUFFERED": "1"}
    return _PROGRAM.format(
        name=slot.name,
        command=_text(shlex.join(bound_to_parent(slot.command, slot.stop_signal))),
        environment=",".join(_quoted(name, value) for name, value in sorted(environment.items())),
        directory=_text(directory),
        priority=priority,
        stop_signal=slot.stop_signal.name.removeprefix("SIG"),
        stop_timeout_s=slot.stop_timeout_s,
        logs_dir=_text(logs_dir),
    )


def _text(value: object) -> str:
    """supervisord expands `%`; a doubled one stands for itself."""
    return str(value).replace("%", "%%")


def _quoted(name: str, value: str) -> str:
    """supervisord knows no escapes in quotes, and strips both kinds of quotes off the ends of what it read."""
    for quote in "\"'":
        if quote not in value and "\n" not in value and value.strip("\"'") == value:
            return f"{name}={quote}{_text(value)}{quote}"
    raise UnwritableValue(f"{name} cannot be passed on: both kinds of quotes, one at its start or end, or a line break")
