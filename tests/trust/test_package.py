"""The package's own scripts, on a tree that is not booted: cut off before any of their commands they are done again."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.support.service import ROOT
from tests.trust.sandbox import UNITS

CUT_OFF = "n=0; set -T; trap '(( ++n == {at} )) && kill -9 \"$$\"' DEBUG\n"
"""As a power cut does: no trap of the script itself runs. Every second one, for time."""


CERTIFICATE = (
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=site -keyout page.key -out page.pem"
)


class Tree:
    """A machine's folders; the scripts' lines between the user they make and the service they start."""

    def __init__(self, at: Path, *, certified: bool = True) -> None:
        self.at = at
        for folder in ("etc/systemd/system", "etc/appliance", "etc/nginx/sites-enabled", "run"):
            (at / folder).mkdir(parents=True)
        if certified:  # by the site: making a key takes a second
            subprocess.run(["openssl", *CERTIFICATE.split()], cwd=at / "etc/appliance", check=True, capture_output=True)
        (at / "lib/systemd").mkdir(parents=True)
        (at / "lib/systemd/system").symlink_to(UNITS)
        script = (ROOT / "packaging/postinst").read_text()
        lines = script[script.index("work=") : script.index("if [ -d /run/systemd/system ]")]
        for folder in ("/etc/", "/run "):
            lines = lines.replace(folder, f"{at}{folder}")
        lines = lines.replace("/usr/share/appliance", str(ROOT / "packaging")).replace("640 appliance", "640")
        self.lines = f'systemctl() {{ command systemctl --root="{at}" "$@"; }}\n' + lines

    def configure(self, cut_off_at: int = 0) -> bool:
        """Whether it came to its end."""
        done = subprocess.run(
            ["bash", "-e", "-c", CUT_OFF.format(at=cut_off_at) + self.lines],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, -9), done.stderr
        return done.returncode == 0

    def wanted(self) -> set[str]:
        return {link.name for link in (self.at / "etc/systemd/system").glob("*.wants/*")}

    def is_whole(self) -> bool:
        site = self.at / "etc/nginx/sites-available/appliance"
        settings = self.at / "etc/appliance/appliance.toml"
        return (
            len(self.wanted()) == 8
            and (self.at / "etc/nginx/sites-enabled/appliance").is_symlink()
            and site.read_text() == (ROOT / "packaging/nginx-site").read_text()
            and settings.read_text().endswith('page.pem"\n')
            and settings.stat().st_mode & 0o777 == 0o640
            and self.has_its_pair()
        )

    def has_its_pair(self) -> bool:
        page = self.at / "etc/appliance/page"
        of_key = ["openssl", "pkey", "-in", f"{page}.key", "-pubout"]
        of_certificate = ["openssl", "x509", "-in", f"{page}.pem", "-noout", "-pubkey"]
        public = [subprocess.run(line, capture_output=True, check=False).stdout for line in (of_key, of_certificate)]
        return public[0] == public[1] != b""


def test_an_installation_that_is_cut_off_before_any_of_its_commands_is_whole_when_done_again(tmp_path: Path) -> None:
    at, at_its_end = -1, False
    while not at_its_end:
        at += 2
        tree = Tree(tmp_path / str(at))
        at_its_end = tree.configure(at)
        assert tree.configure()
        assert tree.is_whole(), f"cut off before command {at}"
    assert at > 40


def test_a_key_without_its_certificate_gets_one(tmp_path: Path) -> None:
    """An installation was cut off between the two, or the site had its key signed and waits for it."""
    tree = Tree(tmp_path)
    key = (tmp_path / "etc/appliance/page.key").read_bytes()
    (tmp_path / "etc/appliance/page.pem").unlink()
    assert tree.configure()
    assert tree.has_its_pair()
    assert (tmp_path / "etc/appliance/page.key").read_bytes() == key


def test_a_machine_without_certificate_gets_its_own(tmp_path: Path) -> None:
    tree = Tree(tmp_path, certified=False)
    assert tree.configure()
    assert tree.is_whole()
    assert (tmp_path / "etc/appliance/page.key").stat().st_mode & 0o777 == 0o600


def test_a_page_without_ipv6_in_the_kernel_listens_on_ipv4_alone(tmp_path: Path) -> None:
    """nginx would not start: address family not supported."""
    tree = Tree(tmp_path)
    tree.lines = tree.lines.replace("socket.AF_INET6", "999")  # as a kernel answers for a family it has not
    assert tree.configure()
    site = (tmp_path / "etc/nginx/sites-available/appliance").read_text()
    assert "listen 443 ssl;" in site and "[::]" not in site
    assert tree.configure()
    assert (tmp_path / "etc/nginx/sites-available/appliance").read_text() == site, "laid by us, not the site's own"


def test_an_upgrade_and_a_removal_stop_all_that_runs_from_the_files_that_go() -> None:
    """A backup or a purge in the middle of which they are replaced would load half of another version."""
    script = (ROOT / "packaging/prerm").read_text()
    [stopped] = re.findall(r"systemctl stop (.*?)\|\| true", script, re.DOTALL)
    units = {unit.name.replace("@.", "@*.") for unit in UNITS.iterdir() if unit.suffix in (".service", ".timer")}
    assert units | {"appliance.target"} == {name.strip("'") for name in stopped.replace("\\\n", " ").split()}
