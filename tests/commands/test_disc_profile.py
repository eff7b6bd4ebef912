"""``appliance disc-profile``: whom discs are for, changed at the command line as on the page and by the API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli import cli
from appliance.errors import ApplianceError, ConflictError, NotFoundError, UsageError
from tests.media.disc_helpers import STUDY


def run(*arguments: str) -> str:
    return CliRunner().invoke(cli, ["disc-profile", *arguments], catch_exceptions=False).output


def refusal(kind: type[ApplianceError], *arguments: str) -> str:
    with pytest.raises(kind) as refused:
        run(*arguments)
    return str(refused.value)


def test_a_profile_of_the_sites_own_is_made_changed_ordered_by_and_removed(data: Path) -> None:
    made = json.loads(run("add", "kids", "--like", "physician", "--set", "viewer=no", "--set", "medium=dvd", "--json"))
    assert (made["viewer"], made["web_content"], made["medium"]) == (False, False, "dvd")
    run("set", "kids", "--set", "language=ru")
    assert json.loads(run("show", "kids", "--json")) == made | {"language": "ru"}
    order = ["disc", "create", "--study", STUDY, "--copy-type", "kids", "--plan", "--json"]
    assert json.loads(CliRunner().invoke(cli, order).output)["profile"] == "STD-GEN-DVD-JPEG"
    run("remove", "kids")
    assert "kids" not in run("list")


def test_one_built_in_is_changed_and_is_again_as_it_was(data: Path) -> None:
    run("set", "patient", "--set", "icons=yes")
    assert json.loads(run("show", "patient", "--json"))["icons"] is True
    run("remove", "patient")
    assert json.loads(run("show", "patient", "--json"))["icons"] is False


def test_what_no_profile_can_be_is_refused_by_name(data: Path) -> None:
    assert "no medium 'dvdx'" in refusal(UsageError, "set", "patient", "--set", "medium=dvdx")
    assert "colour: there is no such setting" in refusal(UsageError, "set", "patient", "--set", "colour=1")
    assert "KEY=VALUE" in refusal(UsageError, "set", "patient", "--set", "icons")
    assert "already" in refusal(ConflictError, "add", "patient")
    assert "no copy type 'nobody'" in refusal(NotFoundError, "set", "nobody")
