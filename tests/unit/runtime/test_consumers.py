"""Consumers of one process do not share what they remember."""

from sync_runtime.kafka import _own_assignor


def test_two_consumers_of_one_process_remember_their_own_assignments() -> None:
    commands, sessions = _own_assignor(), _own_assignor()
    commands.on_generation_assignment(7)
    assert (commands.name, sessions.name) == ("sticky", "sticky")
    assert commands.generation == 7
    assert sessions.generation != 7
