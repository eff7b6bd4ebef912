"""What is installed is pinned with hashes, and the list is that of pyproject.toml."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib

import pytest

from tests.support.service import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEV = PROJECT["optional-dependencies"]["dev"]


def locked(name: str) -> dict[str, str]:
    """Package -> the rest of its entry."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==(.*?)(?=^\S|\Z)", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL)
    return {package.lower().replace("_", "-"): rest for package, rest in found}


@pytest.mark.parametrize(
    ("name", "wanted"), [("requirements.lock", PROJECT["dependencies"]), ("requirements-dev.lock", DEV)]
)
def test_every_dependency_is_locked_with_its_hashes(name: str, wanted: list[str]) -> None:
    entries = locked(name)
    names = {re.split(r"[<>=\[;~! ]", each, maxsplit=1)[0].lower().replace("_", "-") for each in wanted}
    assert names - set(entries) == set(), "run scripts/lock"
    assert all("--hash=sha256:" in rest for rest in entries.values())


def test_the_list_for_a_release_names_every_locked_package_and_vendored_file() -> None:
    made = subprocess.run([sys.executable, ROOT / "scripts" / "sbom"], check=True, capture_output=True, text=True)
    bom = json.loads(made.stdout)
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.5")
    page = {("@picocss/pico", "MIT"), ("htmx.org", "0BSD")}  # vendored: no package manager names them
    ours = [each for each in bom["components"] if each["purl"].startswith("pkg:npm/")]
    assert {(each["name"], each["licenses"][0]["license"]["id"]) for each in ours} == page
    assert all(each["version"] and each["hashes"] for each in ours)
    others = {each["name"].lower() for each in bom["components"]} - {name for name, _ in page}
    assert others == set(locked("requirements.lock"))
    unlicensed = [each["name"] for each in bom["components"] if "licenses" not in each]
    assert unlicensed == []
