"""What a distribution imports, it declares: images are installed from that alone."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROJECTS = {
    tomllib.loads(path.read_text())["project"]["name"]: path
    for pattern in ("shared", "cli", "services/*", "deploy/*")
    for path in sorted(ROOT.glob(f"{pattern}/pyproject.toml"))
}
OURS = {package.name: [name] for name, path in PROJECTS.items() for package in (path.parent / "src").iterdir()}
OF_MODULE = {**packages_distributions(), **OURS}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(path: Path) -> set[str]:
    """Names of the declared dependencies, and of the distribution itself."""
    project = tomllib.loads(path.read_text())["project"]
    wanted = [*project["dependencies"], project["name"]]
    return {normal(re.split(r"[\[<>=!~ ;]", requirement)[0]) for requirement in wanted}


def imported_modules(sources: Path) -> Iterator[tuple[str, Path]]:
    """First name of every absolute import below a folder, and where it stands."""
    for file in sorted(sources.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split(".")[0], file) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                yield node.module.split(".")[0], file


def undeclared(sources: Path, known: set[str]) -> dict[str, str]:
    """Imported modules that no known distribution provides, with one file that imports each."""
    return {
        module: file.name
        for module, file in imported_modules(sources)
        if module not in sys.stdlib_module_names
        and known.isdisjoint(normal(name) for name in OF_MODULE.get(module, [module]))
    }


@pytest.mark.parametrize("name", PROJECTS)
def test_every_import_is_declared(name: str) -> None:
    path = PROJECTS[name]
    missing = undeclared(path.parent / "src", declared(path))
    assert not missing, f"add to {path.relative_to(ROOT)}, then run make lock: {missing}"


def test_an_undeclared_import_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import json\nimport httpx\nfrom yaml import safe_load\nfrom . import two\n")
    assert undeclared(tmp_path, {"httpx"}) == {"yaml": "one.py"}
