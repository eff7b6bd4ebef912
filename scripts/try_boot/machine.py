"""One machine: a clean Debian 12 tree under an overlay, booted by systemd-nspawn with its real systemd as PID 1.

The wire: 10.77.0.0/24 plays the hospital's network, 203.0.113.0/24 a public one. We are .1 on both, the machine .2.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

CACHE = Path(os.environ.get("TRY_BOOT_CACHE", "/var/cache/appliance-try-boot"))
CLEAN = ("ca-certificates", "systemd-sysv", "dbus", "iproute2")
WIRE = "[Match]\nName=host0\n[Network]\nAddress=10.77.0.2/24\nAddress=203.0.113.2/24\nLinkLocalAddressing=no\n"
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
HERE, THERE, PUBLIC = "10.77.0.1", "10.77.0.2", "203.0.113.2"
DATA = "/var/lib/appliance"


def clean_tree(deb: Path) -> Path:
    """A debootstrapped Debian 12 that has what DEB depends on in its cache, but nothing of it installed."""
    tree = CACHE / "bookworm"
    if not (tree / "ready").exists():
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        tree.chmod(0o755)
        with _HostNetwork():
            said = f"--include={','.join(CLEAN)}"
            subprocess.run(
                ["debootstrap", "--variant=minbase", said, "bookworm", tree], check=True, stdout=subprocess.DEVNULL
            )
            shutil.copy(deb, tree / "tmp/appliance.deb")
            fetch = "apt-get install -y -qq --download-only --no-install-recommends /tmp/appliance.deb caddy"
            subprocess.run(["chroot", tree, "env", PATH, "sh", "-c", fetch], check=True, stdout=subprocess.DEVNULL)
            (tree / "tmp/appliance.deb").unlink()
        (tree / "ready").touch()
    return tree


HOST_NETWORK = 9
"""Descriptor that scripts/try-boot has left open."""


class _HostNetwork:
    """The host's network for a while: the mirror is there."""

    def __enter__(self) -> None:
        self.ours = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._enter(os.dup(HOST_NETWORK))

    def __exit__(self, *_: object) -> None:
        self._enter(self.ours)

    def _enter(self, namespace: int) -> None:
        import ctypes

        assert ctypes.CDLL(None).setns(namespace, 0) == 0
        os.close(namespace)


class Machine:
    """A machine with a disk of its own; it may be switched off in the middle of work."""

    def __init__(self, name: str, tree: Path, folder: Path) -> None:
        self.name, self.folder, self.root = name, folder / name, folder / name / "root"
        for part in ("root", "changes", "work"):
            (self.folder / part).mkdir(parents=True)
        options = f"lowerdir={tree},upperdir={self.folder}/changes,workdir={self.folder}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "none", self.root], check=True)
        network = self.root / "etc/systemd/network"
        network.mkdir(exist_ok=True)
        (network / "10-host0.network").write_text(WIRE)
        wanted = self.root / "etc/systemd/system/multi-user.target.wants"
        wanted.mkdir(exist_ok=True)
        (wanted / "systemd-networkd.service").symlink_to("/lib/systemd/system/systemd-networkd.service")
        (self.root / "etc/hostname").write_text("printhost\n")
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 printhost.hospital.example printhost\n")
        self.process: subprocess.Popen[bytes] | None = None
        self.leader = 0

    # power ------------------------------------------------------------------------------------------------------

    def boot(self) -> float:
        """Switch on; the seconds until systemd has nothing left to start."""
        begun = time.monotonic()
        group = Path("/sys/fs/cgroup") / self.name
        group.mkdir(exist_ok=True)
        # bpf: else IPAddressDeny= and DevicePolicy= would silently not hold
        nspawn = ["systemd-nspawn", "--boot", f"--directory={self.root}", f"--machine={self.name}", "--network-veth"]
        nspawn += ["--register=no", "--keep-unit", "--console=read-only", "--capability=all"]
        nspawn += ["--system-call-filter=bpf @keyring"]
        enter = f'echo $$ > {group}/cgroup.procs; exec "$@"'
        with (self.folder / "console").open("ab") as console:
            self.process = subprocess.Popen(
                ["sh", "-c", enter, "sh", *nspawn], stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        self._plug_in()
        self._find_leader()
        self.run("systemctl", "is-system-running", "--wait", check=False)
        return time.monotonic() - begun

    def _plug_in(self) -> None:
        wire = f"ve-{self.name}"
        _until(lambda: Path(f"/sys/class/net/{wire}").exists() or _ip("link", "show", wire, check=False) == 0)
        for address in (f"{HERE}/24", "203.0.113.1/24"):
            _ip("addr", "add", address, "dev", wire)
        _ip("link", "set", wire, "up")

    def _find_leader(self) -> None:
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")

        def found() -> bool:
            for child in children.read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    self.leader = int(child)
            return bool(self.leader)

        self.leader = 0
        _until(found)
        _until(lambda: self.run("test", "-S", "/run/systemd/private", check=False).returncode == 0)

    def cut_power(self) -> None:
        """Everything in it is gone at once. (What the kernel had not written to the disk stays: no real power cut.)"""
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.leader, 9)
            self.process.wait(30)

    def switch_off(self) -> float:
        """As by its button; the seconds it took."""
        assert self.process is not None
        begun = time.monotonic()
        self.run("systemctl", "poweroff", check=False)
        self.process.wait(120)
        return time.monotonic() - begun

    # in it --------------------------------------------------------------------------------------------------------

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        line = ["nsenter", "-t", str(self.leader), "-a", "env", "-i", PATH, "LANG=C", "HOME=/root"]
        line += ["DEBIAN_FRONTEND=noninteractive", *command]
        code, out, error = _listened_to(line)
        if check and code:
            raise AssertionError(f"{' '.join(command)}: exit {code}\n{out[-3000:]}{error[-3000:]}")
        return subprocess.CompletedProcess(line, code, out, error)

    def said(self, *command: str) -> str:
        return self.run(*command).stdout.strip()

    def appliance(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("runuser", "-u", "appliance", "--", "appliance", *arguments, check=check)

    def shown(self, unit: str, what: str) -> str:
        return self.said("systemctl", "show", "--value", "-p", what, unit)

    def install(self, deb: Path, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """As an admin does: apt, with what Debian has in apt's cache."""
        shutil.copy(deb, self.root / "root/appliance.deb")
        line = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *options, "/root/appliance.deb"]
        return self.run(*line, check=check)


def _listened_to(line: list[str]) -> tuple[int, str, str]:
    """Exit code, output, errors. nsenter stops when its child was stopped, and doesn't wake up with it: we wake it."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(line, stdin=quiet, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while True:
            try:
                out, error = process.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGCONT)
            else:
                return process.returncode, out, error


def _ip(*arguments: str, check: bool = True) -> int:
    return subprocess.run(["ip", *arguments], check=check, capture_output=True).returncode


def _until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not come about in a minute"
        time.sleep(0.1)
