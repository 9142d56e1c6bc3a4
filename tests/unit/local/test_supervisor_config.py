"""supervisord's configuration: read back with supervisord's own parser, it says what the table says."""

import shlex
import signal
from pathlib import Path

import pytest
from local_stack.control import stop_rounds
from local_stack.process import bound_to_parent
from local_stack.programs import PROGRAMS, WORKER, Inherits, Slot, slots
from local_stack.servers import SERVERS
from local_stack.settings import StackSettings
from local_stack.supervisor import UnwritableValue, render, socket_path
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import UnhosedConfigParser


def settings(**changes: object) -> StackSettings:
    return StackSettings.model_validate({"state_dir": "/var/state", **changes})


def parsed(*placed: Slot, inherited: dict[str, str] | None = None) -> UnhosedConfigParser:
    text = render(
        placed, directory=Path("/srv"), run_dir=Path("/var/run"), logs_dir=Path("/var/logs"), inherited=inherited or {}
    )
    parser = UnhosedConfigParser()
    parser.read_string(text)
    return parser


def environment_of(parser: UnhosedConfigParser, program: str) -> dict[str, str]:
    written: dict[str, str] = dict_of_key_value_pairs(parser.saneget(f"program:{program}", "environment"))
    return written


def test_every_slot_is_a_program_of_its_own_that_is_restarted_in_place() -> None:
    parser = parsed(*slots(WORKER, settings(workers=3), "/venv/python"))
    names = [name for name in parser.sections() if name.startswith("program:")]
    assert names == ["program:worker-0", "program:worker-1", "program:worker-2"]
    for number, name in enumerate(names):
        section, environment = parser[name], environment_of(parser, f"worker-{number}")
        assert section["autorestart"] == "true"
        assert environment["SB_INSTANCE_ID"] == f"worker-{number}"
        assert environment["SB_HEALTH_PORT"] == str(18120 + number)
        assert environment["SB_KAFKA_BOOTSTRAP"] == "127.0.0.1:19092"
        assert environment["SB_KEK_FILE"] == "/var/state/keys/kek"


def test_a_program_never_outlives_its_supervisor_and_is_told_so_by_its_own_stop_signal() -> None:
    command = parsed(*slots(WORKER, settings(workers=1), "/venv/python"))["program:worker-0"]["command"]
    assert shlex.split(command) == bound_to_parent(["/venv/python", "-m", "sync_worker"], signal.SIGTERM)


def test_stopping_a_service_takes_longer_than_its_longest_drain() -> None:
    parser = parsed(*slots(WORKER, settings(workers=1), "python"))
    assert int(parser["program:worker-0"]["stopwaitsecs"]) > 45
    assert parser["program:worker-0"]["stopsignal"] == "TERM"


def test_what_starts_first_stops_last() -> None:
    placed = [Slot(name, ("run",), {}, None, signal.SIGTERM, 1) for name in ("kafka", "api", "worker-0")]
    parser = parsed(*placed)
    priorities = [int(parser[f"program:{slot.name}"]["priority"]) for slot in placed]
    assert priorities == sorted(set(priorities)), "supervisord stops the highest first"


def passed_on(value: str) -> str:
    parser = parsed(Slot("odd", ("run",), {"SB_MONGO_URL": value}, None, signal.SIGTERM, 1))
    return environment_of(parser, "odd")["SB_MONGO_URL"]


@pytest.mark.parametrize("odd", ["a:p%40ss\\word@h/?x=1,2&y=#3", 'say "no" twice', "it's"])
def test_values_with_quotes_percent_signs_and_commas_arrive_as_they_are(odd: str) -> None:
    assert passed_on(odd) == odd


@pytest.mark.parametrize("unwritable", ["both \" and 'x", "two\nlines", 'ends with "', "'starts"])
def test_a_value_that_cannot_be_written_is_refused_without_showing_it(unwritable: str) -> None:
    with pytest.raises(UnwritableValue, match="SB_MONGO_URL") as refusal:
        passed_on(unwritable)
    assert unwritable not in str(refusal.value)


def test_what_a_slot_sets_wins_over_what_it_inherits() -> None:
    slot = Slot("one", ("run",), {"SB_INSTANCE_ID": "one"}, None, signal.SIGTERM, 1, "service")
    parser = parsed(slot, inherited={"SB_INSTANCE_ID": "other", "SB_LOG_LEVEL": "DEBUG"})
    assert environment_of(parser, "one") == {"SB_INSTANCE_ID": "one", "SB_LOG_LEVEL": "DEBUG", "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(
    ("inherits", "taken"),
    [
        ("nothing", set()),
        ("sandbox", {"SB_SANDBOX_PROFILE"}),
        ("service", {"SB_LOG_LEVEL", "SB_RATE_DEFAULT_PER_MIN"}),
    ],
)
def test_a_process_inherits_only_what_it_reads(inherits: Inherits, taken: set[str]) -> None:
    shell = {"SB_LOG_LEVEL": "DEBUG", "SB_RATE_DEFAULT_PER_MIN": "9", "SB_SANDBOX_PROFILE": "instant"}
    parser = parsed(Slot("one", ("run",), {}, None, signal.SIGTERM, 1, inherits), inherited=shell)
    assert environment_of(parser, "one").keys() == {*taken, "PYTHONUNBUFFERED"}


def test_changed_services_stop_side_by_side_before_the_servers() -> None:
    changed = ["kafka", "api", "mongod", "worker-0"]
    assert stop_rounds(changed, SERVERS) == [["api", "worker-0"], ["kafka", "mongod"]]
    assert stop_rounds(["kafka"], SERVERS) == [["kafka"]]
    assert stop_rounds([], SERVERS) == []


@pytest.mark.parametrize("length", [10, 60, 80, 150])
def test_the_control_socket_fits_in_a_unix_address(length: int) -> None:
    run_dir = Path("/") / ("d" * length) / "run"
    path = socket_path(run_dir)
    assert len(bytes(path)) + len(".4194304") <= 107
    assert (path.parent == run_dir) == (length < 70)
    assert path == socket_path(run_dir)


def test_no_two_processes_share_a_name_or_a_port() -> None:
    most = settings(workers=10, aggregators=10, dispatchers=10)
    placed = [slot for program in PROGRAMS for slot in slots(program, most, "python")]
    assert len({slot.name for slot in placed}) == len(placed)
    assert len({slot.ready_url for slot in placed}) == len(placed)
    assert not [slot.name for slot in placed if "{" in "".join(slot.environment.values())]


@pytest.mark.parametrize("count", [0, 11])
def test_a_number_of_slots_that_has_no_ports_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="WORKERS"):
        settings(WORKERS=count)
