"""Cool-downs as they are configured."""

import pytest
from sync_contracts.catalogue import LONGEST_COOLDOWN_S, MODULES, cooldowns


def test_f08_a4_a_cool_down_that_is_given_counts_and_the_others_stay() -> None:
    usual = cooldowns({})
    assert usual == {module.value: info.cooldown_s for module, info in MODULES.items()}
    assert cooldowns({"gstr2b": 0, "notices": LONGEST_COOLDOWN_S}) == usual | {"gstr2b": 0, "notices": 86_400}


@pytest.mark.parametrize("given", [{"gstr2b": -1}, {"gstr2b": 86_401}, {"no_module": 900}])
def test_what_cannot_be_is_refused_by_name(given: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        cooldowns(given)
