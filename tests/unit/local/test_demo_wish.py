"""What CLIENTS, PRESET and KEEP ask for."""

from pathlib import Path

import pytest
from local_stack.demo import Wish, run_demo
from local_stack.settings import StackSettings
from local_stack.stack import Stack
from local_stack.story import WishRefused
from rich.console import Console


def test_the_demonstration_takes_both_presets_and_stays_unless_told_otherwise() -> None:
    wish = Wish.from_environment({"CLIENTS": "", "PRESET": "", "KEEP": ""})
    assert wish.clients_file.name == "clients.csv"
    assert wish.presets == ("only_2b", "notice_return_register")
    assert wish.keep


def test_a_file_and_a_preset_can_be_chosen_and_it_can_end_by_itself() -> None:
    wish = Wish.from_environment({"CLIENTS": "mine.csv", "PRESET": "only_2b", "KEEP": "0"})
    assert wish == Wish(Path("mine.csv"), ("only_2b",), keep=False)


def test_a_client_file_that_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    stack = Stack(StackSettings.on_free_ports(tmp_path / "state"))
    wish = Wish(tmp_path / "nope.csv", ("only_2b",), keep=False)
    with pytest.raises(WishRefused, match=r"nope\.csv: there is no such file"):
        run_demo(stack, wish, Console())
    assert not (tmp_path / "state").exists()
