"""Every command takes --data, so that a script can give it to all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from appliance.cli import cli
from appliance.errors import NotFoundError
from appliance.store.folder import find_data_folder
from tests.support.cli import run


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, (*path, name))
        else:
            yield " ".join((*path, name)), found


ALL = dict(commands(cli))


def test_there_are_commands() -> None:
    assert "disc create" in ALL


@pytest.mark.parametrize("name", sorted(ALL))
def test_it_takes_a_data_folder(name: str) -> None:
    assert any("--data" in parameter.opts for parameter in ALL[name].params)


READING = ("printer list", "check --quick", "study list", "job show 1", "audit list", "conformance", "purge", "backup")


@pytest.mark.parametrize("words", READING)
@pytest.mark.parametrize("place", ["typo", "empty", "full"])
def test_what_reads_an_appliance_makes_none(words: str, place: str, tmp_path: Path) -> None:
    """A mistyped folder, or a mount point with nothing mounted: all would be well there, and nothing there."""
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "letter.txt").write_text("of somebody else")
    before = sorted(tmp_path.rglob("*"))
    line = [*words.split(), *(["b.tar"] if words == "backup" else [])]
    with pytest.raises(NotFoundError, match=f"no appliance in {tmp_path / place}"):
        run(*line, "--data", str(tmp_path / place))
    assert sorted(tmp_path.rglob("*")) == before


def test_what_sets_one_up_makes_it_and_says_so(tmp_path: Path) -> None:
    line = ["peer", "add", "ct", "--ae-title", "CT", "--data", str(tmp_path / "new")]
    told = [CliRunner().invoke(cli, line).stderr, CliRunner().invoke(cli, [*line[:2], "mr", *line[3:]]).stderr]
    assert told == [f"appliance: There was no appliance in {tmp_path / 'new'}: a new one is made.\n", ""]


def test_a_folder_beside_this_one_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first printer and burner write into it, and no folder of theirs may have a `..`."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("APPLIANCE_DATA", "../elsewhere")
    assert find_data_folder(Path("../data")) == tmp_path / "data"
    assert find_data_folder() == tmp_path / "elsewhere"


def test_a_linked_folder_is_called_as_people_call_it(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert find_data_folder(tmp_path / "link" / "data") == tmp_path / "link" / "data"
