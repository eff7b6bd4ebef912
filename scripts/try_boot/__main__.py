"""Usage: scripts/try-boot DEB [OLDER-DEB]. ONLY=first or ONLY=upgrade tries a half of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.try_boot import trials
from scripts.try_boot.machine import Machine, clean_tree
from scripts.try_boot.modality import Modality


def main() -> None:
    debs = [Path(each).resolve() for each in sys.argv[1:3]]
    tree = clean_tree(debs[0])
    _own_groups()
    folder = Path(tempfile.mkdtemp(prefix="try-boot-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    folder.chmod(0o755)
    machines: list[Machine] = []
    lives = os.environ.get("ONLY", "first upgrade").split()

    def machine(name: str) -> Machine:
        made = Machine(name, tree, folder)
        machines.append(made)
        print(f"{name}: booted in {made.boot():.0f} s", flush=True)
        return made

    try:
        if "first" in lives:
            one_life(machine, debs[0], folder)
            for made in machines:  # each has the one address
                made.cut_power()
        if "upgrade" in lives and len(debs) > 1:
            old = machine("old")
            trials.upgrade(old, Modality(folder / "modality-old"), debs[1], debs[0])
            trials.downgrade(old, debs[0], folder)
            trials.removal(old)
    except BaseException:
        if os.environ.get("KEEP"):
            print(
                f"kept: nsenter -t {machines[-1].leader} -a    the wire: nsenter -t {os.getpid()} -n", file=sys.stderr
            )
            sys.excepthook(*sys.exc_info())
            time.sleep(36000)
        raise
    finally:
        for made in machines:
            made.cut_power()
            subprocess.run(["umount", made.root], check=False)
        subprocess.run(["rm", "-rf", folder], check=False)
    print("all held")


def one_life(machine, deb: Path, folder: Path) -> None:
    first, modality = machine("first"), Modality(folder / "modality")
    trials.install(first, deb)
    trials.hardening(first)
    trials.front_door(first, modality)
    trials.films(first, modality)
    trials.studies(first, modality)
    trials.discs(first)
    trials.restart_in_a_burn(first)
    trials.page(first, modality)
    trials.upkeep(first)
    trials.kills(first, modality)
    trials.hang(first)
    trials.stop_and_start(first)
    trials.power(first, modality)
    other = machine("other")
    trials.install(other, deb)
    trials.restore_elsewhere(first, other)


def _own_groups() -> None:
    """A plain cgroup2 tree in our mount namespace: the host's may be of the first kind."""
    subprocess.run(["umount", "-R", "/sys/fs/cgroup"], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


main()
