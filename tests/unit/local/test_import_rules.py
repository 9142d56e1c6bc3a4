"""Every import rule is broken by a planted bad import, in a copy of the sources: a rule that nothing breaks is none."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCES = [
    "shared/src",
    "services/bucket-api/src",
    "services/sync-worker/src",
    "services/status-aggregator/src",
    "deploy/sandbox/src",
    "deploy/local/src",
    "cli/src",
]
PLANTED = {
    "strangers": ("sync_worker/planted.py", "import bucket_api"),
    "contracts": ("sync_contracts/planted.py", "from time import monotonic"),
    "runtime": ("status_aggregator/planted_settings.py", "from sync_runtime.settings import RuntimeSettings"),
    "pure": ("bucket_api/planted/fairness.py", "import asyncio"),
    "modules": ("sync_worker/modules/planted.py", "import httpx"),
    "stores": ("bucket_api/planted/store.py", "import aiokafka"),
    "publishers": ("bucket_api/planted/publisher.py", "from motor import motor_asyncio"),
    "sandbox": ("portal_sandbox/planted.py", "import sync_contracts"),
    "terminal": ("syncbucket_cli/planted.py", "from pymongo import MongoClient"),
    "tools": ("sync_runtime/planted.py", "from local_stack import ports"),
}
"""Rule -> a module to add, and the import that it must not have."""


def rules() -> dict[str, str]:
    """Name of each rule by its key."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    prefix = "importlinter:contract:"
    return {key.removeprefix(prefix): parser[key]["name"] for key in parser.sections() if key.startswith(prefix)}


def plant(sources: Path, module: str, line: str) -> None:
    path = sources / module
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    path.write_text(f"{line}\n")


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says about a copy with every bad import planted."""
    sources = tmp_path_factory.mktemp("planted")
    for folder in SOURCES:
        shutil.copytree(ROOT / folder, sources, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for module, line in PLANTED.values():
        plant(sources, module, line)
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--no-cache",
        "--config",
        str(ROOT / ".importlinter"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(sources), "COLUMNS": "400", "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=sources, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("rule", rules())
def test_a_planted_import_breaks_the_rule(rule: str, verdict: str) -> None:
    assert rule in PLANTED, f"plant a bad import for the rule {rule}"
    assert f"{rules()[rule]} BROKEN" in verdict
    importer = PLANTED[rule][0].removesuffix(".py").replace("/", ".")
    assert importer in verdict.split("Broken contracts")[1]
