"""The Dockerfile copies what is there, installs only what is pinned, and runs nothing as root."""

import pytest

from tests.support.containers import ROOT, ancestry, built_services, default_command, stages

TARGETS = sorted({service["build"]["target"] for service in built_services().values()})


def test_everything_that_is_copied_exists() -> None:
    for stage in stages().values():
        for copy in stage.all("COPY"):
            origin = next((word for word in copy.words if word.startswith("--from=")), None)
            if origin is not None:
                assert origin.removeprefix("--from=") in stages()
                continue
            for source in copy.words[:-1]:
                assert (ROOT / source).exists(), f"{stage.name} copies {source}"


@pytest.mark.parametrize("target", TARGETS)
def test_dependencies_come_from_pinned_wheels_that_are_in_the_checkout(target: str) -> None:
    lines = [run.argument for stage in ancestry(stages()[f"{target}-packages"], stages()) for run in stage.all("RUN")]
    installs = [part for line in lines for part in line.split("&&") if " install " in part and " -r " in part]

    assert any(f"-r requirements/{target}.txt" in install for install in installs)
    for install in installs:
        assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())
        assert (ROOT / install.split(" -r ")[1].split()[0]).is_file()


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_runs_a_module_and_not_as_root(target: str) -> None:
    line = ancestry(stages()[target], stages())
    users = [user.argument for stage in line for user in stage.all("USER")]

    assert users
    assert users[-1] not in {"root", "0"}
    assert default_command(stages()[target])[:2] == ["python", "-m"]
