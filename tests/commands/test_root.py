"""Root at the command line: what is made there has to be the service's to use."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.commands.common import become_owner
from appliance.store.store import open_store

NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
@pytest.mark.parametrize("owner", [0, NOBODY])
def test_root_s_command_acts_as_the_data_folder_s_owner(tmp_path: Path, owner: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, owner, owner)
    child = os.fork()
    if not child:
        os.chdir(folder)  # the way to it is root's alone
        become_owner(Path())
        Path("made").write_text("by the command")
        os._exit(0 if os.getgroups() in ([], [owner]) or owner == 0 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (folder / "made").stat().st_uid == owner
    assert os.geteuid() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
def test_it_acts_in_the_owner_s_groups_whatever_the_folder_s_is(tmp_path: Path) -> None:
    """Given by `chown USER` alone it is root's: the settings in /etc, open to the owner's group, could not be read."""
    os.chown(tmp_path, NOBODY, 0)
    child = os.fork()
    if not child:
        os.chdir(tmp_path)
        become_owner(Path())
        own = pwd.getpwuid(NOBODY).pw_gid
        os._exit(0 if os.getgid() == own and 0 not in os.getgroups() else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
def test_who_may_not_open_the_data_folder_is_told_so_in_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    open_store(tmp_path / "data").close()
    for folder in (tmp_path.parent.parent, tmp_path.parent, tmp_path, tmp_path / "data"):
        folder.chmod(0o755)
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setuid(NOBODY)
        sys.argv = ["appliance", "printer", "list", "--data", str(tmp_path / "data")]
        try:
            main()
        except SystemExit as ended:
            os._exit(int(ended.code or 0))
        except BaseException:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    said = capfd.readouterr().err
    assert said.startswith("appliance: ") and "Permission denied" in said and said.count("\n") == 1
