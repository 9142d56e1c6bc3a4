"""`python -m bucket_api serve | dispatch | schedule | dev-token | openapi`."""

import argparse
import signal
import sys

import uvicorn
from sync_runtime.logging import configure
from sync_runtime.settings import RuntimeSettings, SettingsRefused
from sync_runtime.vault import KeyFileRefused

from bucket_api.app import create_app
from bucket_api.dispatch.app import run as run_dispatcher
from bucket_api.dispatch.settings import DispatchSettings
from bucket_api.http.dev_issuer import SCOPES_OF, DevIssuer
from bucket_api.http.document import openapi_document
from bucket_api.http.tokens import Issuer
from bucket_api.schedules.app import run as run_scheduler
from bucket_api.settings import Settings

FAILED = 1
KEEP_ALIVE_S = 75
DRAIN_S = 20


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 refused or died, 2 wrong usage."""
    given = _parser().parse_args(arguments)
    try:
        match given.command:
            case "serve":
                return serve()
            case "dispatch":
                return dispatch()
            case "schedule":
                return schedule()
            case "dev-token":
                return dev_token(given.tenant, given.subject, given.scope)
            case _:
                sys.stdout.write(openapi_document())
                return 0
    except (SettingsRefused, KeyFileRefused) as refusal:
        sys.stderr.write(f"refused: {refusal}\n")
        return FAILED


class Server(uvicorn.Server):
    """The server of the application; ends when a part dies that the process cannot do without."""

    def __init__(self, settings: Settings) -> None:
        self.died = False
        super().__init__(
            uvicorn.Config(
                create_app(settings, on_death=self.die),
                host=settings.http_host,
                port=settings.http_port,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=DRAIN_S,
            )
        )

    def die(self) -> None:
        """End, after the open requests."""
        self.died = True
        self.should_exit = True


def serve() -> int:
    """The HTTP process, until SIGTERM or the death of a part that it cannot do without."""
    settings = Settings.from_environment()
    configure(settings, "bucket-api")
    server = Server(settings)
    # The server raises the signal that stopped it once more; with the default handler its end would look like a kill.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        server.run()
    except SystemExit:  # how the server tells that the start failed or the port is taken
        return FAILED
    return 0 if server.started and not server.died else FAILED


def dispatch() -> int:
    """The dispatcher process, until SIGTERM."""
    return run_dispatcher(DispatchSettings.from_environment())


def schedule() -> int:
    """The scheduler process, until SIGTERM."""
    return run_scheduler(RuntimeSettings.from_environment())


def dev_token(tenant: str, subject: str, scope: str) -> int:
    """Print a token of the development issuer."""
    settings = Settings.from_environment(instance_id="dev-token")
    if not settings.in_development:
        raise SettingsRefused("there is no development issuer in production")
    issuer = DevIssuer.at(settings.dev_key_path, settings.jwks_path, Issuer(settings.issuer, settings.audience))
    sys.stdout.write(issuer.token(tenant, subject, tuple(scope.split())) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bucket_api", description="Sync Bucket's API.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve HTTP")
    commands.add_parser("dispatch", help="run the dispatcher")
    commands.add_parser("schedule", help="run the scheduler")
    commands.add_parser("openapi", help="print the OpenAPI document")
    token = commands.add_parser("dev-token", help="print a token of the development issuer")
    token.add_argument("--tenant", default="t_demo")
    token.add_argument("--subject", default="us_developer")
    token.add_argument("--scope", default=" ".join(SCOPES_OF["administrator"]))
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
