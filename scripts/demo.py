#!/usr/bin/env python3
"""``make demo``: start the appliance under ./var and print a real film: pydicom's own CT and MR, by association.

At a terminal it keeps running until Ctrl-C, for a look around; else it stops when the film is out.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from pydicom.data import get_testdata_file

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("APPLIANCE_DATA", ROOT / "var"))
APPLIANCE = [sys.executable, "-m", "appliance"]
IMAGES = ("CT_small.dcm", "MR_small.dcm")


def main() -> int:
    from appliance.config import load_settings

    settings = load_settings(DATA)
    port = settings.dicom.ports[0]
    service = None if answers(port) else subprocess.Popen([*APPLIANCE, "serve", "--data", str(DATA)], cwd=ROOT)
    try:
        wait_for(lambda: answers(port), "the DICOM port")
        films = send(port, settings.dicom.ae_title)
        print("\n  The film came out:")
        for film in films:
            print(f"    {film}")
        print(f"  Look at it with any PDF viewer, or at the page: http://127.0.0.1:{settings.web.port}/\n", flush=True)
        if service is not None and sys.stdout.isatty():
            print("  The appliance keeps running. Ctrl-C stops it.", flush=True)
            return service.wait()
        return 0
    except KeyboardInterrupt:
        return 0
    finally:
        if service is not None and service.poll() is None:
            service.send_signal(signal.SIGTERM)
            service.wait(60)


def answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def send(port: int, ae_title: str) -> list[Path]:
    """Send one film of two images and wait until it is out; the files it became."""
    images = [str(get_testdata_file(name)) for name in IMAGES]
    options = ["--to", f"127.0.0.1:{port}", "--ae", ae_title, "--layout", "1,2", "--film-size", "14INX17IN"]
    known = {job["job_id"] for job in jobs()}
    subprocess.run([*APPLIANCE, "send-film", *images, *options, "--label", "make demo"], cwd=ROOT, check=True)
    new = [job["job_id"] for job in jobs() if job["job_id"] not in known]
    wait_for(lambda: all(job["job_state"] == "completed" for job in jobs() if job["job_id"] in new), "the film")
    return [path for job_id in new for path in sorted((DATA / "printed").glob(f"{job_id}-*"))]


def jobs() -> list[dict[str, object]]:
    command = [*APPLIANCE, "job", "list", "--json", "--data", str(DATA)]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def wait_for(happened: object, what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not happened():  # type: ignore[operator]
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come within {seconds:.0f} s: see the log above")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
