"""The proxy carries bytes unchanged, and is bad in exactly the way that it is told."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from local_stack.ports import free_ports

from tests.support.eventually import PATIENCE_S, eventually_blocking
from tests.support.proxy import Cut, Delay, HalfOpen, OneWayCut, Proxy, Resets, Slow

MESSAGE = b"x" * 3_000
SHORT_S = 0.3


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Before a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_echo, args=(server,), daemon=True).start()
        (port,) = free_ports(1)
        with Proxy(port, server.getsockname()[1]) as started:
            yield started


def _echo(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    try:
        while data := connection.recv(65_536):
            connection.sendall(data)
    except OSError:
        pass
    finally:
        connection.close()


def _connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_S)


def _echoed(connection: socket.socket) -> bool:
    """Whether a message comes back whole. Raises OSError when the connection ends."""
    connection.sendall(MESSAGE)
    found = b""
    while len(found) < len(MESSAGE):
        data = connection.recv(65_536)
        if not data:
            raise ConnectionResetError
        found += data
    return found == MESSAGE


def _is_silent(connection: socket.socket) -> bool:
    connection.settimeout(SHORT_S)
    try:
        _echoed(connection)
    except TimeoutError:
        return True
    finally:
        connection.settimeout(PATIENCE_S)
    return False


def test_a_good_network_carries_everything(proxy: Proxy) -> None:
    with _connected(proxy) as connection:
        assert _echoed(connection)


def test_a_cut_resets_connections_and_refuses_new_ones_until_it_ends(proxy: Proxy) -> None:
    with _connected(proxy) as old:
        assert _echoed(old)
        with proxy.bad(Cut()):
            with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe, as the kernel likes
                _echoed(old)
            with pytest.raises(OSError), _connected(proxy) as new:  # noqa: PT011 - the reset may be there before the connect ends
                _echoed(new)
    with _connected(proxy) as connection:
        assert _echoed(connection)


@pytest.mark.parametrize("direction", ["to_server", "to_client"])
def test_what_a_one_way_cut_held_back_comes_when_it_ends(proxy: Proxy, direction: str) -> None:
    with _connected(proxy) as connection:
        with proxy.bad(OneWayCut(direction)):  # type: ignore[arg-type]
            assert _is_silent(connection)
        assert len(connection.recv(1)) == 1


def test_half_open_connections_are_silent_and_die_in_the_end(proxy: Proxy) -> None:
    with _connected(proxy) as old:
        with proxy.bad(HalfOpen()), _connected(proxy) as new:
            assert _is_silent(old)
            assert _is_silent(new)
            eventually_blocking(lambda: proxy.hit >= 2, what="the network has swallowed what both have sent")
        with pytest.raises(OSError):  # noqa: PT011
            _echoed(old)


def test_a_delay_holds_back_and_loses_nothing(proxy: Proxy) -> None:
    with _connected(proxy) as connection, proxy.bad(Delay(100, 50)):
        began = time.monotonic()
        assert _echoed(connection)
        assert time.monotonic() - began >= 0.1


def test_a_slow_network_takes_its_time(proxy: Proxy) -> None:
    with _connected(proxy) as connection, proxy.bad(Slow(10_000)):
        began = time.monotonic()
        assert _echoed(connection)
        assert time.monotonic() - began >= len(MESSAGE) / 10_000


def test_resets_end_some_connections(proxy: Proxy) -> None:
    with proxy.bad(Resets(1.0)), _connected(proxy) as connection, pytest.raises(OSError):  # noqa: PT011
        _echoed(connection)
