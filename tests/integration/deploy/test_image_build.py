"""The build steps of an image are run as a script, in an empty folder instead of an empty image."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.containers import ROOT, Stage, ancestry, default_command, stages

pytestmark = pytest.mark.timeout(600)
SMALLEST = "sandbox"
"""The steps are the same for each image but for its name; this one has the fewest packages."""
DEADLINE_S = 240
IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")


def carry_out(stage: Stage, work: Path, image: Path) -> None:
    """COPY and RUN of a stage: `work` is its work directory, below `image` lies what it calls /opt and /wheels."""
    for instruction in stage.instructions:
        match instruction.name:
            case "COPY":
                *sources, target = instruction.words
                for source in sources:
                    shutil.copytree(ROOT / source, work / target, ignore=IGNORED, dirs_exist_ok=True)
            case "RUN":
                script = instruction.argument.replace("/opt/", f"{image}/opt/").replace("/wheels", f"{image}/wheels")
                script = script.replace("python -m venv", f"{sys.executable} -m venv")
                done = subprocess.run(
                    ["sh", "-ec", script], cwd=work, env=_environment(), capture_output=True, text=True,
                    timeout=DEADLINE_S, check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"{instruction.argument}\n{done.stdout}{done.stderr}"


def _environment() -> dict[str, str]:
    """This machine's, for the package index that it uses, without its Python packages."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SB_", "VIRTUAL_ENV"))}


def test_the_steps_of_an_image_make_an_application_that_starts(tmp_path: Path) -> None:
    work, image = tmp_path / "src", tmp_path / "image"
    work.mkdir()

    for stage in ancestry(stages()[f"{SMALLEST}-packages"], stages()):
        carry_out(stage, work, image)

    module = default_command(stages()[SMALLEST])[2]
    python = image / "opt" / "app" / "bin" / "python"
    program = f"import {module}, sys; sys.stdout.write({module}.__file__)"
    found = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.startswith(str(image))
    command = [str(python), "-m", module, "gstins", "--count", "1", "--seed", "1"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert listed.stdout.startswith("gstin,name")
