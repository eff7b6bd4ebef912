"""Run as a process by test_crash: submit a film, or work off the queue, and die where APPLIANCE_FAULT says."""

from __future__ import annotations

import sys
from pathlib import Path

from appliance.config import Settings
from appliance.printing.printer_verbs import get_printer
from appliance.printing.worker import FilmWorker
from appliance.store.store import open_store
from tests.printing.films import submit_films

what, folder = sys.argv[1], Path(sys.argv[2])
store = open_store(folder, settings=Settings.model_validate({"storage": {"reserve_percent": 0, "reserve_mib": 1}}))
if what == "submit":
    print("acknowledged", submit_films(store, get_printer(store, sys.argv[3])), flush=True)
else:
    FilmWorker(store).work_off()
