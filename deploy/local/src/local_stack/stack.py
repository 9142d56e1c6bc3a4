"""The whole product on this machine: servers first, then topics and indexes, then every process, each one ready."""

import contextlib
import http.client
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Self

from sync_runtime.vault import KeyEncryptionKeys

from local_stack.control import Supervisor
from local_stack.ports import is_free
from local_stack.process import NotReady, bound_to_parent, tail, wait_until
from local_stack.programs import API, PROGRAMS, Slot, environment, slots
from local_stack.servers import Servers
from local_stack.settings import MOST_SLOTS, StackSettings
from local_stack.supervisor import render
from local_stack.tools import Tools, checkout

Say = Callable[[str], None]
_PROBE_TIMEOUT_S = 2
_PROVISION_TIMEOUT_S = 120


class PortTaken(Exception):
    """Something that is not this stack listens on one of its ports."""


class ProvisionFailed(Exception):
    """Topics or indexes could not be made, or differ from what the contracts say."""


@dataclass(frozen=True, slots=True)
class SlotStatus:
    """One process: what the supervisor sees and what it says about itself."""

    name: str
    state: str
    pid: int
    ready: bool
    address: str


class Stack:
    """One whole stack. `attached` binds its life to this process (tests); otherwise it goes on in the background.

    `more_environment` goes to the sandbox (`SB_SANDBOX_*`, for example `{"SB_SANDBOX_PROFILE": "instant"}`), the
    rest to the services, as variables of the shell do; `slot_environment` to single processes, by their name.
    """

    def __init__(
        self,
        settings: StackSettings,
        *,
        attached: bool = False,
        more_environment: Mapping[str, str] = MappingProxyType({}),
        slot_environment: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
        say: Say = lambda _: None,
    ) -> None:
        self.settings = settings
        self._more_environment = more_environment
        self._slot_environment = slot_environment
        self.supervisor = Supervisor(settings.run_dir)
        self._tools = Tools.of_checkout()
        self._servers = Servers.of(settings, self._tools)
        self._attached = attached
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def env(self) -> dict[str, str]:
        """Environment of a process that talks to this stack: servers, API and sandbox."""
        addresses = {
            "SYNCBUCKET_URL": self.settings.api_url,
            "SB_SANDBOX_URL": self.settings.sandbox_url,
            "SB_SANDBOX_CONTROL_URL": self.settings.sandbox_control_url,
            "SB_STATE_DIR": str(self.settings.state_dir),
        }
        return {**environment(API, self.settings, 0), **addresses}

    def up(self) -> None:
        """Start what does not run, follow changed settings, wait until all is ready. Raises NotReady and its kin."""
        self.up_servers()
        self._provision()
        names = [slot.name for slot in self.service_slots()]
        self._say(f"starting {', '.join(names)}")
        for name in names:
            self.supervisor.run(name)
        self.wait_ready()

    def up_servers(self) -> None:
        """Kafka and MongoDB only."""
        self._make_keys()
        running = self.supervisor.answers()
        if not running:
            self._check_ports()
        self._servers.prepare()
        self._write_config()
        if running:
            self.supervisor.adopt_config(stop_last=self._servers.names)
        else:
            wrapper = bound_to_parent([], signal.SIGTERM) if self._attached else ()
            self._child = self.supervisor.start(wrapper)
        self._say(f"starting {', '.join(self._servers.names)}")
        for name in self._servers.names:
            self.supervisor.run(name)
        self._servers.wait()

    def wait_ready(self, deadline_s: float | None = None) -> None:
        """Wait until every process says it is ready. Raises NotReady with the log of the first that does not."""
        if not self.supervisor.answers():
            raise NotReady("the stack is down; start it with make up")
        limit_s = deadline_s or self.settings.ready_deadline_s
        end = time.monotonic() + limit_s
        for name, url in self._running_services().items():
            if not wait_until(partial(answers_ok, url), max(0.0, end - time.monotonic())):
                log = tail(self.settings.logs_dir / f"{name}.log")
                raise NotReady(f"{name} is not ready after {limit_s:g} s; the end of its log:\n{log}")

    def down(self) -> None:
        """Stop everything cleanly, bounded, servers last; nothing happens when nothing runs."""
        servers = self._servers.names
        services = [process.name for process in self.supervisor.processes() if process.name not in servers]
        if services:
            self._say(f"stopping {', '.join(services)}")
            self.supervisor.stop_together(services)
        if self.supervisor.answers():
            self._say(f"stopping {', '.join(servers)}")
        self.supervisor.shutdown()
        if self._child is not None:
            self._child.wait(60)
            self._child = None

    def status(self) -> list[SlotStatus]:
        """Every process that the supervisor knows; empty when the stack is down."""
        urls = self._running_services()
        servers = self._servers.addresses
        rows = []
        for process in self.supervisor.processes():
            url = urls.get(process.name)
            ready = answers_ok(url) if url else self._servers.answers(process.name)
            rows.append(SlotStatus(process.name, process.state, process.pid, ready, url or servers[process.name]))
        return rows

    def pid(self, name: str) -> int:
        """Process id of a running process, for example `worker-0`. Raises NotReady when it does not run."""
        for process in self.supervisor.processes():
            if process.name == name and process.pid:
                return process.pid
        raise NotReady(f"{name} does not run")

    def kill9(self, name: str) -> None:
        """SIGKILL a process; the supervisor starts it again in its own slot."""
        os.kill(self.pid(name), signal.SIGKILL)

    def kill9_and_hold(self, name: str) -> None:
        """SIGKILL a process that stays away until `release`; it cannot do anything first."""
        killed = self.pid(name)
        os.kill(killed, signal.SIGSTOP)
        self.supervisor.stop_together([name], meanwhile=lambda: os.kill(killed, signal.SIGKILL))

    def release(self, name: str) -> None:
        """Start a process that was held."""
        self.supervisor.run(name)

    def restart(self, name: str) -> None:
        """Clean restart of one process."""
        self.supervisor.restart(name)

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.down()

    def service_slots(self) -> list[Slot]:
        """Every process but the servers, as the supervisor runs it."""
        found = [slot for program in PROGRAMS for slot in slots(program, self.settings, self._tools.python)]
        more = self._slot_environment
        return [replace(slot, environment={**slot.environment, **more.get(slot.name, {})}) for slot in found]

    def _running_services(self) -> dict[str, str]:
        """Readiness address of every service that the supervisor has, in the table's order.

        The stack may have been scaled by another command, so the number of slots is read from the supervisor.
        """
        known = {process.name for process in self.supervisor.processes()}
        full = self.settings.model_copy(update={p.slots: MOST_SLOTS for p in PROGRAMS if p.slots})
        places = [slot for program in PROGRAMS for slot in slots(program, full, self._tools.python)]
        return {slot.name: slot.ready_url for slot in places if slot.name in known and slot.ready_url}

    def _make_keys(self) -> None:
        with contextlib.suppress(FileExistsError):
            KeyEncryptionKeys.write_new_file(self.settings.keys_dir / "kek")

    def _check_ports(self) -> None:
        ports = [(name, port) for name, port in self.settings.model_dump().items() if name.endswith("_port")]
        ports += [("mongo_port", port) for port in self.settings.mongo_ports[1:]]
        for name, port in ports:
            if not is_free(port, self.settings.host):
                raise PortTaken(f"port {port} is in use; stop what listens there, or set SB_{name.upper()}")

    def _write_config(self) -> None:
        for folder in (self.settings.run_dir, self.settings.logs_dir):
            folder.mkdir(parents=True, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if name.startswith("SB_")}
        text = render(
            [*self._servers.slots(), *self.service_slots()],
            directory=checkout(),
            run_dir=self.settings.run_dir,
            logs_dir=self.settings.logs_dir,
            inherited={**inherited, **self._more_environment},
        )
        self.supervisor.config.write_text(text)
        self.supervisor.config.chmod(0o600)

    def _provision(self) -> None:
        """Topics and indexes as the contracts say; a difference stops the start."""
        self._say("making topics and indexes")
        command = [self._tools.python, "-m", "sync_runtime", "provision"]
        env = {**os.environ, **self.env, "SB_INSTANCE_ID": "provision"}
        limit_s = _PROVISION_TIMEOUT_S
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=limit_s, check=False)
        if done.returncode != 0:
            raise ProvisionFailed(f"topics and indexes: exit {done.returncode}\n{done.stdout}{done.stderr}")


def answers_ok(url: str) -> bool:
    """Does this address answer 200?"""
    probe = urllib.request.urlopen
    with contextlib.suppress(OSError, http.client.HTTPException), probe(url, timeout=_PROBE_TIMEOUT_S) as answer:
        return bool(answer.status == 200)
    return False
