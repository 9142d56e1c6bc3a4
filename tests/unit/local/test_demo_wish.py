"""What CLIENTS, PRESET and KEEP ask for."""

from pathlib import Path

from local_stack.demo import Wish


def test_the_demonstration_takes_both_presets_and_stays_unless_told_otherwise() -> None:
    wish = Wish.from_environment({"CLIENTS": "", "PRESET": "", "KEEP": ""})
    assert wish.clients_file.name == "clients.csv"
    assert wish.presets == ("only_2b", "notice_return_register")
    assert wish.keep


def test_a_file_and_a_preset_can_be_chosen_and_it_can_end_by_itself() -> None:
    wish = Wish.from_environment({"CLIENTS": "mine.csv", "PRESET": "only_2b", "KEEP": "0"})
    assert wish == Wish(Path("mine.csv"), ("only_2b",), keep=False)
