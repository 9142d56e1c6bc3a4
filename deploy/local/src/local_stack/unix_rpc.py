"""XML-RPC over a unix socket, with a deadline on every answer."""

import contextlib
import http.client
import socket
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__()
        self._path = path
        self._timeout_s = timeout_s
        self._open: _UnixConnection | None = None

    def make_connection(self, host: Any) -> http.client.HTTPConnection:  # noqa: ARG002 - the signature of Transport
        if self._open is None:
            self._open = _UnixConnection(self._path, self._timeout_s)
        return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


@contextlib.contextmanager
def unix_rpc(path: Path, timeout_s: float) -> Iterator[Any]:
    """A proxy of the server behind the socket. Its calls raise OSError, HTTPException or xmlrpc Fault."""
    transport = _UnixTransport(path, timeout_s)
    try:
        yield xmlrpc.client.ServerProxy("http://localhost", transport=transport, allow_none=True)
    finally:
        transport.close()
