"""What the variables of a stack may be, and how a refused one is told."""

import pytest
from local_stack.cli import main


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("WORKERS", "11", "WORKERS: Input should be less than or equal to 10"),
        ("WORKERS", "abc", "WORKERS: Input should be a valid integer"),
        ("SB_API_PORT", "99999", "SB_API_PORT: Input should be less than or equal to 65535"),
        ("SB_WORKER_HEALTH_PORT", "65530", "SB_WORKER_HEALTH_PORT: Input should be less than or equal to 65526"),
        ("SB_MONGO_PORT", "0", "SB_MONGO_PORT: Input should be greater than or equal to 1"),
    ],
)
def test_a_refused_variable_is_named_with_its_bound_in_one_line(
    variable: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert main(["status"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith(told)
    assert printed.count("\n") == 1
