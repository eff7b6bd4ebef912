"""The units: how much they expose, and that the appliance lives under their rules."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.network.outside import LET_THROUGH
from appliance.run import START_SECONDS, STUCK_SECONDS
from tests.support.dcmtk_print import secondary_capture
from tests.support.ports import free_port
from tests.support.service import ROOT, command, wait_for_port
from tests.trust.collector import eventually
from tests.trust.sandbox import UNITS, allowed

EXPOSURE = {
    "appliance-dicom.service": 1.5,
    "appliance-web.service": 1.2,
    "appliance-films@.service": 1.2,
    "appliance-discs.service": 1.0,
    "appliance-purge.service": 1.0,
    "appliance-backup.service": 1.0,
}


@pytest.mark.parametrize(("unit", "most"), EXPOSURE.items())
def test_a_unit_exposes_no_more_than_its_figure(unit: str, most: float, tmp_path: Path) -> None:
    copy = shutil.copy(UNITS / unit, tmp_path / unit.replace("@", "@1"))
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", copy], capture_output=True, text=True, check=False
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert found, result.stderr
    assert float(found[1]) <= most


def test_a_supervisor_has_as_much_patience_as_systemd() -> None:
    for part, seconds in STUCK_SECONDS.items():
        [unit] = UNITS.glob(f"appliance-{part}*.service")
        assert f"WatchdogSec={seconds:.0f}\n" in unit.read_text()
        assert f"TimeoutStartSec={START_SECONDS:.0f}\n" in unit.read_text()


@pytest.mark.parametrize("part", STUCK_SECONDS)
def test_a_part_whose_network_is_away_for_a_night_is_started_again_in_the_morning(part: str) -> None:
    """It ends while its address, share or database's server is not there; systemd gives up after so many starts."""
    [unit] = UNITS.glob(f"appliance-{part}*.service")
    told = dict(line.split("=", 1) for line in unit.read_text().splitlines() if line.startswith(("StartLimit", "Res")))
    assert told["StartLimitIntervalSec"] == "0"
    assert told["Restart"] == "always"


@pytest.mark.parametrize("part", ["dicom", "web", "films"])
def test_a_unit_lets_through_what_the_messages_say_it_does(part: str) -> None:
    [unit] = UNITS.glob(f"appliance-{part}*.service")
    [told] = re.findall("^IPAddressAllow=(.*)$", unit.read_text(), re.MULTILINE)
    short = dict.fromkeys(LET_THROUGH[:2], "localhost") | dict.fromkeys(LET_THROUGH[2:4], "link-local")
    assert set(told.split()) == {short.get(network, network) for network in LET_THROUGH}


def test_the_units_are_those_the_script_writes(tmp_path: Path) -> None:
    copy = tmp_path / "scripts" / "systemd-units"
    copy.parent.mkdir()
    (tmp_path / "systemd").mkdir()
    shutil.copy(ROOT / "scripts" / "systemd-units", copy)
    subprocess.run([sys.executable, copy], check=True)
    for made in (tmp_path / "systemd").iterdir():
        assert made.read_text() == (UNITS / made.name).read_text(), "run scripts/systemd-units"


@pytest.mark.parametrize("errand", ["backup", "purge"])
def test_an_errand_that_reaches_no_server_is_left_out_where_the_database_is_on_one(errand: str) -> None:
    unit = (UNITS / f"appliance-{errand}.service").read_text()
    assert "PrivateNetwork=yes" in unit and "ConditionPathExists=/var/lib/appliance/appliance.db\n" in unit


@pytest.fixture
def enabling(tmp_path: Path) -> Callable[[], str]:
    """The package's own lines that enable units, on a tree that is not booted; what they say."""
    wants = tmp_path / "etc/systemd/system"
    wants.mkdir(parents=True)
    (tmp_path / "etc/appliance").mkdir()
    shutil.copytree(UNITS, tmp_path / "lib/systemd/system")
    script = (ROOT / "packaging/postinst").read_text()
    lines = script[script.index("units=") : script.index("if [ -d /run/systemd/system ]")]
    lines = lines.replace("/etc/", f"{tmp_path}/etc/")
    there = f'systemctl() {{ command systemctl --root="{tmp_path}" "$@"; }}\n'

    def configure() -> str:
        done = subprocess.run(["sh", "-e", "-c", there + lines], capture_output=True, text=True, check=True)
        return done.stderr

    return configure


def test_a_masked_unit_keeps_the_package_from_being_installed_no_more_than_the_others(
    tmp_path: Path, enabling: Callable[[], str]
) -> None:
    (tmp_path / "etc/systemd/system/appliance-discs.service").symlink_to("/dev/null")
    assert "appliance-discs.service is not enabled" in enabling()
    assert (tmp_path / "etc/systemd/system/multi-user.target.wants/appliance.target").is_symlink()


@pytest.mark.parametrize("off", ["appliance.target", "appliance-discs.service", "appliance-backup.timer"])
def test_what_a_site_has_switched_off_an_upgrade_leaves_off(
    tmp_path: Path, enabling: Callable[[], str], off: str
) -> None:
    def wanted() -> set[str]:
        return {link.name for link in (tmp_path / "etc/systemd/system").glob("*.wants/*")}

    enabling()
    everything = wanted()
    assert {"appliance.target", "appliance-discs.service", "appliance-films@2.service"} <= everything
    subprocess.run(["systemctl", f"--root={tmp_path}", "disable", "--quiet", off], check=True)
    enabling()
    assert wanted() == everything - {off}
    for unit in everything - {off}:  # as a removal does
        subprocess.run(["systemctl", f"--root={tmp_path}", "disable", "--quiet", unit], check=True)
    enabling()
    assert wanted() == everything, "removed and back"


def test_the_target_starts_what_is_enabled_alone() -> None:
    """Its own Wants= would start again, at each boot, what a site has disabled."""
    assert "\nWants=" not in (UNITS / "appliance.target").read_text()
    script = (ROOT / "packaging/postinst").read_text()
    for unit in UNITS.glob("appliance-*.service"):
        if "WantedBy=appliance.target" in unit.read_text():
            assert unit.name.removesuffix(".service") in script, "the package enables each part"


@pytest.mark.parametrize("site", ["packaging/nginx-site", "systemd/nginx-appliance.conf"])
def test_the_proxy_writes_no_address_down(site: str) -> None:
    """They hold the names people search for; an error of the page has them in nginx' own log, too."""
    text = (ROOT / site).read_text()
    assert "access_log off;" in text and re.search(r"^ *error_log \S+ crit;", text, re.MULTILINE)


def test_the_filters_leave_out_what_no_service_needs() -> None:
    for unit in UNITS.glob("*.service"):
        calls = allowed(unit)
        assert "read" in calls
        assert not calls & {"mount", "ptrace", "init_module", "kexec_load", "setuid", "bpf", "clock_settime", "reboot"}


@contextlib.contextmanager
def sandboxed(data: Path, part: str, unit: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """One part under its unit's filter, told to systemd's socket as it would be."""
    line = [sys.executable, "-m", "tests.trust.sandbox", unit, "--", sys.executable, "-m", "appliance"]
    settings = {**os.environ, "APPLIANCE_STORAGE_RESERVE_PERCENT": "0", **environment}
    process = subprocess.Popen([*line, "serve", "--data", str(data), "--only", part], env=settings, cwd=ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.slow
def test_a_film_and_a_disc_come_out_under_the_filters_with_no_writable_code(tmp_path: Path) -> None:
    data, port, page = tmp_path / "data", free_port(), free_port()
    ports = {"APPLIANCE_DICOM_PORT": str(port), "APPLIANCE_WEB_PORT": str(page)}
    image = secondary_capture(tmp_path / "image.dcm", np.arange(128 * 128, dtype="<u2").reshape(128, 128) % 4096, 12)
    send = [
        sys.executable,
        "-m",
        "appliance",
        "send-film",
        str(image),
        "--to",
        f"127.0.0.1:{port}",
        "--ae",
        "APPLIANCE",
    ]
    with (
        sandboxed(data, "dicom", "appliance-dicom.service", **ports),
        sandboxed(data, "films", "appliance-films@.service", **ports),
        sandboxed(data, "discs", "appliance-discs.service", **ports),
        sandboxed(data, "web", "appliance-web.service", **ports),
    ):
        wait_for_port(port)
        wait_for_port(page)
        subprocess.run(send, check=True, capture_output=True)
        eventually(lambda: [job["job_state"] for job in command(data, "job", "list")] == ["completed"], 60)
        study = command(data, "study", "import", str(image))["studies"][0]
        disc = command(data, "disc", "create", "--study", study, "--wait")
        assert disc["execution_status"] == "DONE", disc
    assert [path.suffix for path in (data / "printed").iterdir()] == [".pdf"]


@pytest.mark.slow
def test_a_part_tells_systemd_that_it_is_ready_and_alive(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        address = str(tmp_path / "notify")
        listener.bind(address)
        listener.settimeout(30)
        ports = {"APPLIANCE_DICOM_PORT": str(free_port()), "NOTIFY_SOCKET": address}
        with sandboxed(tmp_path / "data", "dicom", "appliance-dicom.service", **ports) as process:
            assert listener.recv(100) == b"READY=1\nWATCHDOG=1"
            assert listener.recv(100) == b"WATCHDOG=1"
            assert "Seccomp:\t2" in Path(f"/proc/{process.pid}/status").read_text(), "the filter holds"
