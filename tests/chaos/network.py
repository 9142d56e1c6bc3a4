"""The network between the services and Kafka, MongoDB or the portal is bad for a while, in six ways."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from local_stack.ports import free_ports
from local_stack.servers import KAFKA, MONGOD
from local_stack.settings import StackSettings

from tests.chaos.kills import DISPATCH_BATCH, IN_FLIGHT_OF_A_WORKER
from tests.chaos.scene import Family, Fault, Scene, opened
from tests.support.eventually import eventually_blocking
from tests.support.proxy import Cut, Delay, HalfOpen, NetworkFault, OneWayCut, Proxy, Resets, Slow

PORTAL: Final = "portal"
SERVERS: Final = (KAFKA, MONGOD, PORTAL)
BAD_S: Final = 20.0
GATE_DEADLINE_S: Final = 300.0
REPEATS: Final = 4 * IN_FLIGHT_OF_A_WORKER + DISPATCH_BATCH
WAYS: Final[dict[str, NetworkFault]] = {
    "cut": Cut(),
    "cut one way": OneWayCut(),
    "late by 300 ms": Delay(),
    "resets 5 %": Resets(),
    "half open": HalfOpen(),
    "10 kB/s": Slow(),
}


def be_bad(server: str, fault: NetworkFault, scene: Scene, *, seconds: float = BAD_S) -> None:
    """One server is hard to reach for a while."""
    proxy = scene.proxies[server]
    await_calls(scene)
    before = proxy.hit
    with proxy.bad(fault):
        scene.hold(seconds)
    if proxy.hit == before:
        scene.violations.append(f"{type(fault).__name__} before {server} met no traffic")


def briefly(server: str, seconds: float) -> Callable[[Scene], None]:
    """A half open network for a short while."""
    return partial(be_bad, server, HalfOpen(), seconds=seconds)


def await_calls(scene: Scene) -> None:
    """Wait until units are fetched: after errors the gate to the portal stays closed for a while."""
    seen = len(scene.running.sandbox.data_calls())

    def more() -> bool:
        scene.load.renew()
        return len(scene.running.sandbox.data_calls()) > seen

    eventually_blocking(more, GATE_DEADLINE_S, what="the portal is called")


@contextmanager
def wired(folder: Path) -> Iterator[Scene]:
    """The product with a proxy before each of the three servers."""
    settings = StackSettings.on_free_ports(folder)
    kafka, mongo, portal = free_ports(3)
    settings = settings.model_copy(update={"kafka_proxy": kafka, "mongo_proxy": mongo, "sandbox_proxy": portal})
    with ExitStack() as started:
        proxies = {
            KAFKA: started.enter_context(Proxy(kafka, settings.kafka_port)),
            MONGOD: started.enter_context(Proxy(mongo, settings.mongo_port)),
            PORTAL: started.enter_context(Proxy(portal, settings.sandbox_port)),
        }
        yield started.enter_context(opened(settings, proxies=proxies))


FAMILY: Final = Family(
    "network",
    tuple(
        Fault(f"network to {server}: {name}", 1, partial(be_bad, server, way), REPEATS)
        for server in SERVERS
        for name, way in WAYS.items()
    ),
    wired,
    verdicts=frozenset({"complete", "complete_with_gaps"}),
)
