"""Run as a process by test_intake_crash: take instances, saying which are safe, and die where APPLIANCE_FAULT says."""

from __future__ import annotations

import sys
from pathlib import Path

from appliance.config import Settings
from appliance.store.store import open_store
from appliance.studies.intake import Intake
from tests.media import made
from tests.studies.arrivals import SCANNER, arrival

folder, count = Path(sys.argv[1]), int(sys.argv[2])
store = open_store(folder, settings=Settings.model_validate({"storage": {"reserve_percent": 0, "reserve_mib": 1}}))
intake = Intake(store)
for number in range(1, count + 1):
    print(intake.take(arrival(store, made.image(number)), SCANNER).sop_instance_uid, flush=True)
