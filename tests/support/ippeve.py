"""A real IPP printer: ippeveprinter, with the system bus and avahi it needs.

with ippeve_printer(tmp_path, films=True) as printer:
    printer.uri, printer.documents(), printer.log()
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port

BUS = Path("/run/dbus/system_bus_socket")
NEEDED = ("ippeveprinter", "dbus-daemon", "avahi-daemon")

# 14 x 17 in and 8 x 10 in film, one-sided, never scaled
FILM_ATTRIBUTES = """
ATTR keyword media-supported na_14x17_14x17in,na_govt-letter_8x10in
ATTR keyword media-ready na_14x17_14x17in,na_govt-letter_8x10in
ATTR keyword media-default na_14x17_14x17in
ATTR collection media-size-supported {
    MEMBER integer x-dimension 35560
    MEMBER integer y-dimension 43180
}, {
    MEMBER integer x-dimension 20320
    MEMBER integer y-dimension 25400
}
ATTR keyword media-col-supported media-size,media-source,media-type
ATTR keyword media-source-supported tray-1,tray-2
ATTR keyword media-type-supported film,photographic-film
ATTR collection media-col-ready {
    MEMBER collection media-size {
        MEMBER integer x-dimension 35560
        MEMBER integer y-dimension 43180
    }
    MEMBER keyword media-source tray-1
    MEMBER keyword media-type film
}, {
    MEMBER collection media-size {
        MEMBER integer x-dimension 20320
        MEMBER integer y-dimension 25400
    }
    MEMBER keyword media-source tray-2
    MEMBER keyword media-type film
}
ATTR collection media-col-default {
    MEMBER collection media-size {
        MEMBER integer x-dimension 35560
        MEMBER integer y-dimension 43180
    }
}
ATTR keyword print-scaling-supported auto,fit,none
ATTR keyword print-scaling-default none
ATTR keyword sides-supported one-sided
ATTR keyword sides-default one-sided
ATTR keyword output-bin-supported tray-1,tray-2
ATTR keyword output-bin-default tray-1
ATTR resolution printer-resolution-supported 320dpi
ATTR resolution printer-resolution-default 320dpi
ATTR mimeMediaType document-format-supported application/octet-stream,application/pdf,application/postscript
ATTR mimeMediaType document-format-default application/octet-stream
"""


@dataclass
class IppevePrinter:
    """One running ippeveprinter."""

    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def uri(self) -> str:
        return f"ipp://127.0.0.1:{self.port}/ipp/print"

    @property
    def secure_uri(self) -> str:
        return f"ipps://127.0.0.1:{self.port}/ipp/print"

    def documents(self) -> list[bytes]:
        """The documents as they came, by the number of their job."""
        spool = self.folder / "spool"
        found = [path for path in spool.iterdir() if path.suffix in (".pdf", ".ps")]
        return [path.read_bytes() for path in sorted(found, key=lambda path: int(path.name.split("-")[0]))]

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


def missing() -> str:
    """What a machine lacks to run it, or ""."""
    lacking = [name for name in NEEDED if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if lacking:
        return f"needs {', '.join(lacking)}"
    return "" if os.geteuid() == 0 or _bus_answers() else "needs root to start the system bus"


def start_bus() -> None:
    """The system bus and avahi, when they don't run; several test runs may ask at once."""
    with (Path(tempfile.gettempdir()) / "appliance-test-bus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _bus_answers():
            BUS.parent.mkdir(parents=True, exist_ok=True)
            for stale in (BUS, BUS.parent / "pid"):
                stale.unlink(missing_ok=True)
            subprocess.run(["dbus-daemon", "--system", "--fork"], check=True, close_fds=True)
            _until(_bus_answers, "the system bus does not answer")
        if subprocess.run(["avahi-daemon", "--check"], check=False).returncode:
            subprocess.run(["avahi-daemon", "--daemonize"], check=True, capture_output=True)


@contextmanager
def ippeve_printer(folder: Path, *, films: bool = True, command: str = "/bin/true") -> Iterator[IppevePrinter]:
    """Run one in `folder` on a free port, as a film printer or as the office printer it is by itself."""
    start_bus()
    (folder / "spool").mkdir(parents=True)
    port = free_port()
    (folder / "keys").mkdir()
    arguments = ["ippeveprinter", "-p", str(port), "-n", "localhost", "-c", command, "-K", str(folder / "keys")]
    arguments += ["-k", "-d", str(folder / "spool")]
    if films:
        (folder / "attributes").write_text(FILM_ATTRIBUTES)
        arguments += ["-v", "-a", str(folder / "attributes")]
    else:
        arguments += ["-v", "-f", "application/pdf,application/postscript"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*arguments, f"Film {port}"], stdout=log, stderr=subprocess.STDOUT)
    try:
        _until(lambda: process.poll() is not None or _connects(port), "ippeveprinter does not answer")
        assert process.poll() is None, (folder / "log").read_text()
        yield IppevePrinter(port, folder, process)
    finally:
        process.kill()
        process.wait()


def _until(true: object, message: str) -> None:
    end = time.monotonic() + 10
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, message
        time.sleep(0.05)


def _bus_answers() -> bool:
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.connect(str(BUS))
        return True
    return False


def _connects(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
