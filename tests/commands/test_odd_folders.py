"""A data folder may bear any name, though it is part of the addresses of the database, a printer and a burner."""

from __future__ import annotations

import os
from pathlib import Path

from click.testing import CliRunner
from hypothesis import given
from hypothesis.strategies import text

from appliance.cli import cli
from appliance.folders import folder_uri, path_of
from tests.media import made
from tests.media.disc_helpers import keep, opened
from tests.support.ports import free_port
from tests.support.service import command, running

NAME = "50%20 #1?mode=ro&x;[ж] a:b\n"


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_films_and_discs_lie_in_it(tmp_path: Path) -> None:
    data = tmp_path / NAME / "data"
    store = opened(data)
    keep(store, [made.image()])
    store.close()
    with running(data, free_port(), ["films", "discs"]):
        command(data, "printer", "test-page", "film", "--wait")
        command(data, "disc", "create", "--study", f"{made.ROOT}.1", "--burner", "folder", "--wait")
    assert names(data / "printed") == ["1-01.pdf"]
    assert "1-1.iso" in names(data / "burned")
    assert names(tmp_path) == [NAME], "nothing lies where a part of the name leads"


@given(text(min_size=1).filter(lambda name: "\0" not in name and name not in (".", "..") and "/" not in name))
def test_a_folder_has_one_address(name: str) -> None:
    path = Path("/srv") / name / "films"
    assert path_of(folder_uri(path)) == path


def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    result = CliRunner().invoke(cli, ["printer", "list", "--data", odd])
    assert "not UTF-8" in str(result.exception)
    assert names(tmp_path) == []
