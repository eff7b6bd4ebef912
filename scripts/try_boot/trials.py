"""What is tried. Each trial says in a line what held, with its figure; the first that does not hold ends the run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
from collections.abc import Callable
from functools import partial
from pathlib import Path

from scripts.try_boot.machine import DATA, HERE, PUBLIC, THERE, Machine
from scripts.try_boot.modality import COMPRESSED, Browser, Modality, RawPrinter

PARTS = ("appliance-dicom", "appliance-web", "appliance-films@1", "appliance-films@2", "appliance-discs")
EXPOSURE = {"appliance-dicom": 1.5, "appliance-web": 1.2, "appliance-films@1": 1.2, "appliance-discs": 1.0}
PASSWORD = "a long word for Tests 26"


def tell(text: str) -> None:
    print(f"  {text}", flush=True)


def until(condition: Callable[[], object], what: str, seconds: float = 300) -> float:
    """The seconds until CONDITION holds."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, f"not in {seconds:.0f} s: {what}"
        time.sleep(0.3)
    return time.monotonic() - begun


def is_back(machine: Machine, part: str, pid: str) -> bool:
    """Whether a part is at work again, in another process than PID."""
    return machine.shown(part, "ActiveState") == "active" and machine.shown(part, "MainPID") not in (pid, "0")


def jobs(machine: Machine) -> dict[str, int]:
    """How many print jobs are in which state."""
    counts: dict[str, int] = {}
    for job in json.loads(machine.appliance("job", "list", "--json").stdout):
        counts[job["job_state"]] = counts.get(job["job_state"], 0) + 1
    return counts


# the clean machine ---------------------------------------------------------------------------------------------------


def install(machine: Machine, deb: Path) -> None:
    """Line 1 of docs/install.md, and what has to stand after it."""
    begun = time.monotonic()
    said = machine.install(deb).stdout
    tell(f"installed in {time.monotonic() - begun:.0f} s: {machine.said('appliance', '--version')}")
    tell(next(line for line in said.splitlines() if "first admin" in line))
    units_stand(machine)


def units_stand(machine: Machine) -> None:
    until(lambda: all(machine.shown(part, "ActiveState") == "active" for part in PARTS), "all units are active")
    for timer in ("appliance-purge.timer", "appliance-backup.timer"):
        assert machine.shown(timer, "ActiveState") == "active", timer
    failed = machine.said("systemctl", "list-units", "--failed", "--no-legend", "--plain")
    assert not failed, failed
    tell("all units are active, none failed")


def hardening(machine: Machine) -> None:
    """What the unit files promise is what the running processes have."""
    for part, most in EXPOSURE.items():
        found = re.search(
            r"level for \S+: ([\d.]+)", machine.run("systemd-analyze", "security", f"{part}.service").stdout
        )
        assert found and float(found[1]) <= most, f"{part}: {found and found[1]}"
        tell(f"{part}: exposure {found[1]} (at most {most})")
    for part in PARTS:
        pid = machine.shown(part, "MainPID")
        status = machine.said("cat", f"/proc/{pid}/status")
        found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert found["NoNewPrivs"] == "1" and found["Seccomp"] == "2", part
        wanted = "0000000000000400" if part == "appliance-dicom" else "0000000000000000"  # CAP_NET_BIND_SERVICE
        assert found["CapEff"].strip() == wanted, f"{part} has capabilities {found['CapEff']}"
    tell("each part: no new privileges, seccomp, no capability but port 104's")
    warned = [line for line in machine.said("journalctl", "-b", "-o", "cat").splitlines() if "but the mode is" in line]
    assert not warned, warned[0]


def front_door(machine: Machine, modality: Modality) -> None:
    assert not modality.echo(), "a stranger was let in"
    machine.appliance("peer", "add", "mod", "--ae-title", "MOD", "--address", "10.77.0.0/24")
    machine.appliance("peer", "add", "dcmprscu", "--ae-title", "BENCH", "--address", HERE, "--allow", "print")
    assert modality.echo(), "port 104 does not answer a peer"
    assert modality.echo(THERE, "MOD", 11112), "port 11112 does not answer a peer"
    machine.appliance("peer", "add", "public", "--ae-title", "PUBLIC")
    assert not modality.echo(PUBLIC, "PUBLIC"), "IPAddressDeny= does not hold: a public address was answered"
    assert modality.echo(THERE, "PUBLIC")
    tell("port 104: peers are answered, a stranger is refused, a public address gets no answer (IPAddressDeny)")


def films(machine: Machine, modality: Modality) -> None:
    printer = RawPrinter()
    machine.appliance("printer", "set", "film", "--uri", f"socket://{HERE}:9100", "--format", "ps")
    assert modality.film(), "N-ACTION was not answered"
    until(lambda: jobs(machine) == {"completed": 1}, "the film is printed")
    until(lambda: printer.documents, "the printer has it")
    assert printer.documents[0].startswith(b"%!PS"), printer.documents[0][:20]
    machine.appliance("printer", "set", "film", "--uri", f"folder:{DATA}/printed", "--format", "pdf")
    assert modality.film()
    until(lambda: jobs(machine) == {"completed": 2}, "the second film is printed")
    [pdf] = machine.said("find", f"{DATA}/printed", "-name", "*.pdf").split()
    assert machine.said("head", "-c", "5", pdf) == "%PDF-"
    tell("films by DCMTK on port 104: PostScript on a raw port over the wire, PDF in the folder")


def studies(machine: Machine, modality: Modality) -> None:
    assert modality.store(modality.image()), "C-STORE"
    for kind in COMPRESSED:
        file, offer = modality.compressed(kind)
        assert modality.store(file, offer=offer), kind
    file, offer = modality.jpeg2000()
    assert modality.store(file, offer=offer), "JPEG 2000"
    found = json.loads(machine.appliance("study", "list", "--json").stdout)
    assert len(found) == 2 + len(COMPRESSED), found
    tell(f"{len(found)} studies stored: plain, {', '.join(COMPRESSED)}, JPEG 2000")


def discs(machine: Machine) -> None:
    """A disc of all studies (its icons decode every syntax) to the folder and onto a file that plays a drive."""
    uids = [study["study_instance_uid"] for study in json.loads(machine.appliance("study", "list", "--json").stdout)]
    chosen = [word for uid in uids for word in ("--study", uid)]
    machine.run("runuser", "-u", "appliance", "--", "truncate", "-s", "2G", f"{DATA}/drive.iso")
    machine.appliance("burner", "add", "drive", "--uri", f"drive:stdio:{DATA}/drive.iso")
    for burner in ("folder", "drive"):
        made = machine.appliance(
            "disc", "create", *chosen, "--copy-type", "patient", "--burner", burner, "--wait", "--json", check=False
        )
        assert made.returncode == 0, made.stderr + made.stdout
        disc = json.loads(made.stdout)
        assert disc["execution_status"] == "DONE" and all(v["verified"] for v in disc["volumes"]), made.stdout
    tell("a disc of all of them to the folder burner and through xorriso onto stdio:, read back and verified")


_FOUND = "p=$(grep -la 'cdrecor[d]' /proc/[0-9]*/cmdline | cut -d/ -f3) && [ \"$p\" ]"
WRITER = f"until {_FOUND}; do :; done; kill -STOP $p; echo $p"
"""The id of the program that writes a disc, which is stopped there: a slow burn."""


def restart_in_a_burn(machine: Machine) -> None:
    """systemd restarts the disc worker: the disc that is being written comes out, and no other is begun."""
    study = json.loads(machine.appliance("study", "list", "--json").stdout)[0]["study_instance_uid"]
    machine.run("runuser", "-u", "appliance", "--", "truncate", "-s", "0", f"{DATA}/drive.iso")
    machine.run("runuser", "-u", "appliance", "--", "truncate", "-s", "2G", f"{DATA}/drive.iso")
    made = machine.appliance("disc", "create", "--study", study, "--burner", "drive", "--json")
    number = str(json.loads(made.stdout)["disc_id"])
    writer = machine.said("timeout", "60", "sh", "-c", WRITER)
    begun = time.monotonic()
    machine.run("systemctl", "restart", "appliance-discs")
    seconds = time.monotonic() - begun
    machine.run("sh", "-c", f"kill -CONT {writer}")

    def shown() -> dict:
        return json.loads(machine.appliance("disc", "show", number, "--json").stdout)

    until(lambda: shown()["execution_status"] == "DONE", "the disc that was being written is done")
    assert [piece["state"] for piece in shown()["volumes"][0]["pieces"]] == ["verified"], shown()
    tell(f"the disc worker restarted in {seconds:.0f} s in the middle of a burn: that very disc came out, verified")


def page(machine: Machine, modality: Modality) -> None:
    authority = (machine.root / "etc/appliance/page.pem").read_text()
    link = re.findall(r"https://\S+/first-run/\S+", machine.said("journalctl", "-u", "appliance-web", "-o", "cat"))[-1]
    assert link.startswith("https://printhost.hospital.example/"), link
    browser = Browser(authority)
    key = link.rpartition("/")[2]
    browser.fill(f"/first-run/{key}", name="owner", password=PASSWORD, again=PASSWORD)
    overview = browser.get("/")
    assert "owner" in overview and not browser.at.endswith("/login"), browser.at
    again = Browser(authority)
    again.fill("/login", name="owner", password=PASSWORD)
    for path in ("/", "/health", "/studies", "/discs", "/printers", "/settings"):
        assert again.get(path), path
    try:
        again.get(f"/first-run/{key}")
        raise AssertionError("the first admin's link works twice")
    except urllib.error.HTTPError as error:
        assert error.code == 404
    again.get(f"http://{THERE}/health")
    assert again.at == f"https://{THERE}/health", again.at
    tell("HTTPS 443 through nginx, its certificate checked: first admin by the link, log in, pages; 80 leads there")


def upkeep(machine: Machine) -> None:
    check = machine.appliance("check", "--json", check=False)
    wrong = [finding for finding in json.loads(check.stdout) if finding["level"] == "error"]
    assert not wrong, wrong
    machine.run("systemctl", "start", "appliance-purge.service")
    machine.run("systemctl", "start", "appliance-backup.service")
    assert machine.said("sh", "-c", "ls /var/backups/appliance/appliance-*.tar")
    tell("appliance check finds no error; purge and backup run by their units")
    lines = machine.said("journalctl", "-b", "-o", "cat", "-u", "appliance-dicom", "_COMM=appliance").splitlines()
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(logged) == len(lines), "a line of the DICOM part is no JSON"
    assert not any("BENCH^MARK" in line for line in lines), "a patient's name is in the log"
    tell(f"{len(logged)} lines of the DICOM part in the journal, all JSON, no name in them")


# faults --------------------------------------------------------------------------------------------------------------


def kills(machine: Machine, modality: Modality) -> None:
    for part in PARTS:
        pid = machine.shown(part, "MainPID")
        machine.run("systemctl", "kill", "-s", "KILL", "--kill-who=main", part)
        seconds = until(partial(is_back, machine, part, pid), f"{part} is back")
        tell(f"{part}: killed, back after {seconds:.1f} s")
    machine.run("systemctl", "kill", "-s", "KILL", "appliance-*.service")
    time.sleep(1)
    seconds = until(lambda: all(machine.shown(part, "ActiveState") == "active" for part in PARTS), "all are back")
    before = jobs(machine)["completed"]
    assert modality.film()
    until(lambda: jobs(machine)["completed"] == before + 1, "a film is printed after the kills")
    tell(f"all parts killed at once: back after {seconds:.0f} s, a film is printed")


def hang(machine: Machine) -> None:
    """SIGSTOP: the watchdog of systemd ends it within WatchdogSec= and starts it again."""
    pid = machine.shown("appliance-dicom", "MainPID")
    machine.run("systemctl", "kill", "-s", "STOP", "--kill-who=main", "appliance-dicom")
    seconds = until(
        lambda: (
            machine.shown("appliance-dicom", "MainPID") not in (pid, "0")
            and machine.shown("appliance-dicom", "ActiveState") == "active"
        ),
        "the watchdog acts",
        240,
    )
    assert "Watchdog timeout" in machine.said("journalctl", "-b", "_PID=1", "-o", "cat", "-u", "appliance-dicom")
    tell(f"a stopped DICOM part: killed by the watchdog, working again after {seconds:.0f} s (WatchdogSec=60)")


def stop_and_start(machine: Machine) -> None:
    begun = time.monotonic()
    machine.run("systemctl", "stop", "appliance-*.service", "appliance.target")
    stopped = time.monotonic() - begun
    machine.run("systemctl", "start", "appliance.target")
    begun = time.monotonic()
    until(lambda: all(machine.shown(part, "ActiveState") == "active" for part in PARTS), "all are back")
    tell(f"stopped in {stopped:.1f} s, all parts ready {time.monotonic() - begun:.0f} s after the start")


def power(machine: Machine, modality: Modality) -> None:
    """Cut the power while films and instances come in; what was acknowledged is there after the next boot."""
    completed = sum(jobs(machine).values())
    studies_before = len(json.loads(machine.appliance("study", "list", "--json").stdout))
    prints = [modality.printing.stored_print(modality.image(2048)) for _ in range(6)]
    images = [modality.image() for _ in range(6)]
    acknowledged = sum(modality.printing.is_acknowledged("OURS", film) for film in prints)
    stored = sum(modality.store(image) for image in images)
    assert acknowledged == len(prints) and stored == len(images)
    machine.cut_power()
    seconds = machine.boot()
    until(lambda: all(machine.shown(part, "ActiveState") == "active" for part in PARTS), "all units are active")
    wanted = completed + acknowledged
    until(lambda: jobs(machine).get("completed", 0) + jobs(machine).get("pending-held", 0) == wanted, "all films", 180)
    found = json.loads(machine.appliance("study", "list", "--json").stdout)
    assert len(found) == studies_before + stored, len(found)
    tell(f"power cut with {acknowledged} films and {stored} instances just acknowledged: booted in {seconds:.0f} s,")
    tell(f"all there: {jobs(machine)}")
    seconds = machine.switch_off()
    tell(f"switched off by systemd in {seconds:.1f} s")
    machine.boot()
    units_stand(machine)


# a life of years -----------------------------------------------------------------------------------------------------


def restore_elsewhere(machine: Machine, other: Machine) -> None:
    """A full backup, while it works, to another machine that has the package."""
    before = jobs(machine), len(json.loads(machine.appliance("study", "list", "--json").stdout))
    machine.appliance("backup", "/var/backups/appliance/whole.tar")
    shutil.copy(machine.root / "var/backups/appliance/whole.tar", other.root / "root/whole.tar")
    other.run("install", "-o", "appliance", "-m", "600", "/root/whole.tar", "/var/backups/appliance/whole.tar")
    refused = other.appliance("restore", "/var/backups/appliance/whole.tar", "--replace", check=False)
    assert refused.returncode, "a restore began under a running service"
    tell(f"restore under a running service: {refused.stderr.strip()}")
    other.run("systemctl", "stop", "appliance-*.service", "appliance.target")
    other.appliance("restore", "/var/backups/appliance/whole.tar", "--replace")
    other.run("systemctl", "start", "appliance.target")
    units_stand(other)
    after = jobs(other), len(json.loads(other.appliance("study", "list", "--json").stdout))
    assert after == before, (before, after)
    tell(f"backed up while running, restored on another machine: {after[0]}, {after[1]} studies")


def upgrade(machine: Machine, modality: Modality, older: Path, deb: Path) -> None:
    """From OLDER with films waiting to DEB; back is refused in words, and leaves all as it was."""
    install(machine, older)
    machine.appliance("peer", "add", "mod", "--ae-title", "MOD", "--address", "10.77.0.0/24")
    machine.appliance("peer", "add", "dcmprscu", "--ae-title", "BENCH", "--address", HERE, "--allow", "print")
    machine.appliance("printer", "pause", "film")
    for _ in range(3):
        assert modality.film()
    assert modality.store(modality.image())
    machine.run("sh", "-c", "echo '# of the site' >> /etc/appliance/appliance.toml")
    before, site = jobs(machine), _as_the_site_has_it(machine)
    assert sum(before.values()) == 3, before
    machine.install(deb)  # nobody is there to answer questions, though the site has changed the proxy's settings
    _is_as_the_site_had_it(machine, site)
    units_stand(machine)
    assert jobs(machine) == before, jobs(machine)
    assert "of the site" in machine.said("cat", "/etc/appliance/appliance.toml")
    assert machine.said("sh", "-c", "ls /var/backups/appliance/before-upgrade-*")
    machine.appliance("printer", "resume", "film")
    until(lambda: jobs(machine) == {"completed": 3}, "the waiting films are printed")
    assert len(json.loads(machine.appliance("study", "list", "--json").stdout)) == 1
    tell("upgraded with 3 films waiting: printed by the new version; settings, studies and a backup are there")


SITES_OWN = ("/etc/nginx/sites-available/appliance", "/etc/appliance/page.pem", "/etc/appliance/page.key")


def _as_the_site_has_it(machine: Machine) -> str:
    """A part switched off, a drop-in, the proxy's settings changed, another certificate: the sum of the files."""
    certificate = "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=site -keyout page.key -out page.pem"
    machine.run("sh", "-c", f"cd /etc/appliance && {certificate} 2>/dev/null")
    machine.run("sh", "-c", "sed -i 's/4g;/5g;/' /etc/nginx/sites-available/appliance")
    machine.run("mkdir", "-p", "/etc/systemd/system/appliance-films@.service.d")
    drop_in = "printf '[Service]\\nNice=7\\n' > /etc/systemd/system/appliance-films@.service.d/site.conf"
    machine.run("sh", "-c", drop_in)
    machine.run("systemctl", "disable", "--now", "appliance-discs.service")
    return machine.said("sha256sum", *SITES_OWN)


def _is_as_the_site_had_it(machine: Machine, site: str) -> None:
    assert machine.said("sha256sum", *SITES_OWN) == site
    until(lambda: machine.shown("appliance-films@1", "ActiveState") == "active", "a film worker is active")
    assert machine.shown("appliance-films@1", "Nice") == "7"
    assert machine.shown("appliance-discs", "ActiveState") == "inactive"
    machine.run("systemctl", "enable", "--now", "appliance-discs.service")
    tell("the site's certificate, proxy settings, drop-in and a part that is switched off outlive the upgrade")


def downgrade(machine: Machine, deb: Path, folder: Path) -> None:
    """The same package under a lower version is refused in words, and what ran goes on."""
    tree, lower = folder / "lower", folder / "lower.deb"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    version = subprocess.run(
        ["dpkg-deb", "-f", deb, "Version"], check=True, capture_output=True, text=True
    ).stdout.strip()
    for each in ("control", "preinst"):
        file = tree / "DEBIAN" / each
        file.write_text(file.read_text().replace(version, "0.0.1"))
    build = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, lower]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    refused = machine.install(lower, "--allow-downgrades", check=False)
    words = [line for line in (refused.stdout + refused.stderr).splitlines() if "is older than" in line]
    assert refused.returncode and words, refused.stdout + refused.stderr
    tell(f"a downgrade is refused: {words[0]}")
    units_stand(machine)
    shutil.copy(deb, machine.root / "root/appliance.deb")


def removal(machine: Machine) -> None:
    machine.run("apt-get", "remove", "-y", "-qq", "appliance")
    assert not machine.said("systemctl", "list-units", "--no-legend", "--plain", "--state=active", "appliance*")
    for kept in (f"{DATA}/appliance.db", "/etc/appliance/appliance.toml", "/etc/appliance/page.key"):
        machine.run("test", "-e", kept)
    machine.run("test", "!", "-e", "/opt/appliance")
    machine.run("nginx", "-tq")
    machine.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "/root/appliance.deb")
    units_stand(machine)
    assert jobs(machine)
    tell("removed: data and settings stay, nginx goes on; installed again: all as before")
    said = machine.run("apt-get", "purge", "-y", "-qq", "appliance").stdout
    machine.run("test", "!", "-e", "/etc/appliance")
    machine.run("test", "-e", f"{DATA}/appliance.db")
    tell(next(line for line in said.splitlines() if "Patients' data" in line))
