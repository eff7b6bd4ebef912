"""kill -9 in the middle of a send to a real printer: each film comes out once, or waits for a person."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.printing.device.outcome import SendOutcome
from appliance.printing.device.registry import open_device
from tests.printing.device.harness import QUICK, document, no_progress
from tests.printing.device.test_ipp import request_for
from tests.support.ippeve import IppevePrinter

SENDER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from appliance.printing.device.outcome import SendRequest
from appliance.printing.device.registry import open_device
from tests.printing.device.harness import QUICK, document, no_progress
documents = [document(Path({folder!r}), film) for film in (1, 2)]
open_device({uri!r}, options=QUICK).send(SendRequest(job_name={name!r}, documents=documents), no_progress)
"""
# failpoint -> what the printer is found to have done
STEPS = {
    "device.first-byte": SendOutcome.RETRY,
    "device.half": None,  # the first film had left: printed, or dropped
    "device.last-byte": None,
    "device.closed": SendOutcome.DONE,
}


@pytest.mark.parametrize("name", STEPS)
def test_after_kill_9_a_real_printer_prints_each_film_once(ippeve: IppevePrinter, tmp_path: Path, name: str) -> None:
    device = open_device(ippeve.uri, options=QUICK)
    device.send(request_for(tmp_path), no_progress)  # something older, for it to remember
    time.sleep(2.1)  # its clock counts whole seconds
    films = [document(tmp_path, film) for film in (1, 2)]
    request = replace(request_for(tmp_path), documents=films, attempted_at=time.time())
    before = len(ippeve.documents())
    root = str(Path(__file__).parents[3])
    code = SENDER.format(root=root, folder=str(tmp_path), uri=ippeve.uri, name=request.job_name)
    environment = {**os.environ, "APPLIANCE_FAULT": f"{name}:kill"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == -9
    answer = device.ask(request)
    assert answer.outcome in ({STEPS[name]} if STEPS[name] else {SendOutcome.DONE, SendOutcome.RETRY}), answer.message
    assert device.send(request, no_progress).outcome is SendOutcome.DONE
    whole = [data for data in ippeve.documents()[before:] if data in [film.path.read_bytes() for film in films]]
    assert whole == [film.path.read_bytes() for film in films]
