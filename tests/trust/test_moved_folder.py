"""A data folder that is moved or copied: the printers and burners in it go along."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from appliance.store.store import open_store
from tests.support.ports import free_port
from tests.support.service import command, running


def addresses(data: Path) -> dict[str, str]:
    printers, burners = command(data, "printer", "list"), command(data, "burner", "list")
    return {each["name"]: each.get("device_uri") or each["burner_uri"] for each in (*printers, *burners)}


def own(data: Path) -> dict[str, str]:
    return {"film": f"folder:{data}/printed", "folder": f"folder:{data}/burned"}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    open_store(tmp_path / "old").close()
    assert addresses(tmp_path / "old") == own(tmp_path / "old")
    return tmp_path / "old"


def test_what_prints_and_burns_into_it_follows_where_it_is_moved_and_the_audit_says_so(old: Path) -> None:
    new = old.rename(old.with_name("new"))
    command(new, "printer", "add", "other", "--uri", f"folder:{new}/jobs/other")
    assert addresses(new) == {**own(new), "other": f"folder:{new}/jobs/other"}
    (entry,) = (each for each in command(new, "audit", "list") if each["event"] == "data-folder-moved")
    assert entry["detail"] == {"from": str(old), "to": str(new), "follow": ["film", "folder"]}


def test_a_film_is_printed_where_the_service_finds_it_moved(old: Path) -> None:
    new = old.rename(old.with_name("new"))
    with running(new, free_port(), ["dicom", "films"]):
        command(new, "printer", "test-page", "film", "--wait")
    assert [path.name for path in (new / "printed").iterdir()] == ["1-01.pdf"]


def test_a_copy_writes_into_itself_and_the_first_goes_on(old: Path) -> None:
    copy = Path(shutil.copytree(old, old.with_name("copy")))
    assert (addresses(copy), addresses(old)) == (own(copy), own(old))


def test_another_name_of_the_same_folder_moves_nothing(old: Path) -> None:
    link = old.with_name("link")
    link.symlink_to(old)
    assert addresses(link) == own(old)
