"""Root at the command line: what is made there has to be the service's to use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.commands.common import become_owner

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
