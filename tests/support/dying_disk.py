"""A real disk (ext4 on a loop device) that turns read-only under running programs, as the kernel does on an error."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MEBIBYTES = 64


class DyingDisk:
    """An image file, mounted."""

    def __init__(self, image: Path, at: Path) -> None:
        self.image, self.at = image, at
        with image.open("wb") as file:
            file.truncate(MEBIBYTES << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
        at.mkdir()
        self.mount()

    def mount(self) -> None:
        """Skips where mounting is not allowed."""
        line = ["mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.at)]
        done = subprocess.run(line, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not allowed here: {done.stderr.decode().strip()}")

    def turn_read_only(self) -> None:
        """The kernel believes to have met an error: whoever has files open can't write from now on."""
        device = subprocess.run(["findmnt", "-no", "SOURCE", str(self.at)], capture_output=True, check=True, text=True)
        switch = Path("/sys/fs/ext4") / Path(device.stdout.strip()).name / "trigger_fs_error"
        if not os.access(switch, os.W_OK):
            pytest.skip("this kernel can't be told that a disk has an error")
        switch.write_text("of a test")

    def mend(self) -> None:
        """As an administrator would, when nothing has its files open any more."""
        self.unmount()
        checked = subprocess.run(["e2fsck", "-fp", str(self.image)], capture_output=True, check=False)
        assert checked.returncode in (0, 1), checked.stdout
        self.mount()

    def unmount(self) -> None:
        subprocess.run(["umount", str(self.at)], check=True)


@contextlib.contextmanager
def dying_disk(folder: Path) -> Iterator[DyingDisk]:
    """A disk of 64 MiB, mounted as `folder`/disk for a while. Only root may."""
    if os.getuid():
        pytest.skip("only root may mount a disk")
    made = DyingDisk(folder / "disk.img", folder / "disk")
    try:
        yield made
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "-l", str(made.at)], check=True)
