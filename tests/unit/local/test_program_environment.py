"""The table of programs speaks the language of the programs: each variable is a setting that its process reads."""

import pytest
from bucket_api.dispatch.settings import DispatchSettings
from bucket_api.settings import Settings as ApiSettings
from local_stack.programs import AGGREGATOR, API, DISPATCHER, SANDBOX, SCHEDULER, WORKER, Program, environment
from local_stack.settings import StackSettings
from portal_sandbox.settings import Settings as SandboxSettings
from pydantic_settings import BaseSettings
from status_aggregator.settings import Settings as AggregatorSettings
from sync_runtime.settings import RuntimeSettings
from sync_worker.settings import Settings as WorkerSettings

READERS: list[tuple[Program, type[BaseSettings]]] = [
    (SANDBOX, SandboxSettings),
    (API, ApiSettings),
    (DISPATCHER, DispatchSettings),
    (SCHEDULER, RuntimeSettings),
    (AGGREGATOR, AggregatorSettings),
    (WORKER, WorkerSettings),
]


@pytest.mark.parametrize(("program", "settings"), READERS, ids=lambda value: getattr(value, "role", ""))
def test_every_variable_is_read_and_understood(
    program: Program, settings: type[BaseSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = environment(program, StackSettings(), 0)
    prefix = settings.model_config["env_prefix"]
    assert {name.removeprefix(prefix).lower() for name in written} <= settings.model_fields.keys()
    for name, value in written.items():
        monkeypatch.setenv(name, value)
    settings()


def test_the_worker_uses_accounts_that_the_sandbox_knows() -> None:
    stack, sandbox = StackSettings(), SandboxSettings()
    assert sandbox.gsp_accounts[stack.sandbox_account] == stack.sandbox_secret
    assert sandbox.asp_accounts[stack.sandbox_asp_account] == stack.sandbox_asp_secret
