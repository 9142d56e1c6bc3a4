"""The lock holds names, versions and hashes: no address, no index option, no path of a machine."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
INPUTS = sorted((ROOT / "requirements").glob("*.in"))
SERVICES = {
    "bucket-api": ("services/bucket-api", "shared"),
    "sync-worker": ("services/sync-worker", "shared"),
    "status-aggregator": ("services/status-aggregator", "shared"),
    "sandbox": ("deploy/sandbox",),
}
FORBIDDEN = {
    "an address": re.compile(r"\w+://"),
    "an index option": re.compile(r"(^|\s)(-i|-f|--\S*index\S*|--find-links|--trusted-host)\b"),
    "an absolute path": re.compile(r"(^|[\s\"'=@])(/[\w.~-]|[A-Za-z]:\\|~/)"),
    "an editable or local package": re.compile(r"^\s*(-e\b|--editable|\.{1,2}/|sync-bucket-)"),
}
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(\[[^\]]*\])?==(\S+)", re.MULTILINE)


def faults(text: str) -> list[str]:
    """What a requirement file must not hold, line by line."""
    lines = enumerate(text.splitlines(), 1)
    return [f"line {n}: {fault}" for n, line in lines for fault, bad in FORBIDDEN.items() if bad.search(line)]


def pins(path: Path) -> dict[str, str]:
    """Version by name."""
    return {match[1]: match[3] for match in PIN.finditer(path.read_text())}


def unhashed(text: str) -> Iterator[str]:
    """Requirements without a sha256."""
    for entry in re.split(r"\n(?=\S)", text):
        if PIN.match(entry) and "--hash=sha256:" not in entry:
            yield entry.splitlines()[0]


@pytest.mark.parametrize("path", [*LOCKS, *INPUTS], ids=lambda path: path.name)
def test_no_file_names_a_place(path: Path) -> None:
    assert faults(path.read_text()) == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_requirement_is_pinned_by_hash(path: Path) -> None:
    assert pins(path)
    assert list(unhashed(path.read_text())) == []


@pytest.mark.parametrize(
    "bad",
    [
        "--index-url https://packages.example/simple",
        "--extra-index-url=http://10.0.0.1/",
        "-i https://packages.example/simple",
        "--find-links wheels",
        "--trusted-host packages.example",
        "httpx @ https://packages.example/httpx.whl",
        "httpx @ git+ssh://code.example/httpx",
        "-e ./shared",
        "    #   -c /home/someone/checkout/requirements/dev.txt",
        "    # via -r ~/requirements.in",
        "sync-bucket-shared==0.1.0",
    ],
)
def test_a_bad_line_is_found(bad: str) -> None:
    assert faults(f"httpx==0.28.1 \\\n    --hash=sha256:00\n{bad}\n")


def test_a_requirement_without_a_hash_is_found() -> None:
    assert list(unhashed("httpx==0.28.1\nidna==3.20 \\\n    --hash=sha256:00\n")) == ["httpx==0.28.1"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_with_the_versions_that_are_tested(service: str) -> None:
    tested = pins(ROOT / "requirements" / "dev.txt")
    assert pins(ROOT / "requirements" / f"{service}.txt").items() <= tested.items()


@pytest.mark.parametrize("service", SERVICES)
def test_the_lock_of_a_service_has_all_that_its_distributions_ask_for(service: str) -> None:
    locked = pins(ROOT / "requirements" / f"{service}.txt")
    for folder in SERVICES[service]:
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
        names = {re.split(r"[\[<>=!~ ;]", wanted)[0] for wanted in project["dependencies"]}
        missing = {name for name in names if not name.startswith("sync-bucket-")} - locked.keys()
        assert not missing, f"{folder} asks for {missing}: run make lock"
