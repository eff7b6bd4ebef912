"""A drive that says it wrote the disc, and did not: reading back finds it out, and a person is asked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.faults.discs import order, row, wait_for_end, wrong
from tests.faults.plant import Plant

LIES = {
    "nothing": ":",
    "half": 'head -c $(($(stat -c %s "$image") / 2)) "$image" > "$drive"',
    "something else": 'head -c $(stat -c %s "$image") /dev/zero > "$drive"',
    "all but its last byte": 'head -c -1 "$image" > "$drive"',
}
PROGRAM = """#!/bin/bash
case " $* " in *" cdrecord "*) ;; *) exec {real} "$@" ;; esac
for each; do case $each in dev=stdio:*) drive=${{each#dev=stdio:}} ;; esac; image=$each; done
echo "Beginning to write data track." >&2
{lie}
echo "Writing to stdio completed successfully." >&2
"""


FEW = ("half", "all but its last byte")


@pytest.mark.parametrize("written", LIES if "FAULT_REPEATS" in os.environ else FEW)
def test_a_disc_a_drive_only_says_it_wrote_is_not_done_and_is_shown_to_a_person(
    works: Plant, tmp_path: Path, written: str
) -> None:
    liar = tmp_path / "bin" / "xorriso"
    liar.parent.mkdir()
    liar.write_text(PROGRAM.format(real=shutil.which("xorriso"), lie=LIES[written]))
    liar.chmod(0o755)
    works.environment = {"PATH": f"{liar.parent}:{os.environ['PATH']}"}
    disc = order(works, "drive")
    worker = works.start("discs")
    wait_for_end(works, disc, worker)
    assert row(works, disc, "execution_status, held") == ("PENDING", 1)
    assert "verification-failed" in row(works, disc, "reasons")[0]
    assert "verified" not in [state for (state,) in works.query("select state from piece")]
    worker.stop()
    (works.data / "drive.img").write_bytes(b"")  # a person puts another drive in, and a blank disc
    works.environment = {}
    works.query("update disc set held = 0")
    wait_for_end(works, disc, works.start("discs"))
    assert row(works, disc, "execution_status") == ("DONE",)
    assert set(works.query("select state from piece")) == {("failed",), ("verified",)}
    assert [line for line in wrong(works, disc, "drive") if "pieces" not in line] == []
