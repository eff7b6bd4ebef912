"""kill -9 and failing disks at every step of the intake: what was acknowledged is there, whole, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from appliance.errors import RefusedError
from appliance.printing import recovery
from appliance.store import files
from appliance.store.store import Store, open_store
from appliance.studies import retention
from appliance.studies.intake import Intake
from appliance.studies.selection import selected
from tests.media import made
from tests.studies.arrivals import INTAKE, SCANNER, arrival, files_of
from tests.support.killing import killed_at

STUDY = f"{made.ROOT}.1"


def check(store: Store, acknowledged: list[str]) -> None:
    """Every acknowledged instance is there with its bytes; every file has a row, every row its file."""
    found = {each.keys.SOPInstanceUID: each for each in selected(store, studies=[STUDY])} if acknowledged else {}
    assert set(acknowledged) <= set(found)
    for each in found.values():
        data = Path(each.path).read_bytes()[each.data_set_offset :]
        assert hashlib.sha256(data).hexdigest() == each.sha256
    with store.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT path FROM instance").scalars().all()
    assert sorted(str(path.relative_to(store.folder.instances)) for path in files_of(store)) == sorted(rows)


@pytest.mark.parametrize("skip", [0, 2])
@pytest.mark.parametrize("failpoint", INTAKE)
def test_after_kill_9_what_was_acknowledged_is_there_and_nothing_else(
    store: Store, tmp_path: Path, failpoint: str, skip: int
) -> None:
    said = tmp_path / "said"

    def take() -> None:
        door = open_store(store.folder.root, settings=store.settings)
        intake = Intake(door)
        with said.open("w", buffering=1) as file:
            for number in range(1, 5):
                print(intake.take(arrival(door, made.image(number)), SCANNER).sop_instance_uid, file=file)

    killed_at(f"{failpoint}:{skip}", take)
    acknowledged = said.read_text().split()
    assert len(acknowledged) == skip
    recovery.sweep(store, settled_seconds=0)
    retention.sweep(store, settled_seconds=0)
    assert list(store.folder.spool.iterdir()) == []
    check(store, acknowledged)
    for number in range(1, 5):  # the sender sends again what was not acknowledged
        Intake(store).take(arrival(store, made.image(number)), SCANNER)
    check(store, [f"{STUDY}.1.{number}" for number in range(1, 5)])


@pytest.mark.parametrize("what", ["ENOSPC", "EIO", "EROFS"])
def test_an_error_at_any_operation_refuses_the_instance_and_leaves_nothing(store: Store, what: str) -> None:
    """Operation by operation, until a run passes untouched."""
    intake = Intake(store)
    intake.take(arrival(store, made.image(1)), SCANNER)
    acknowledged = [f"{STUDY}.1.1"]
    for number in range(1, 60):
        waiting = arrival(store, made.image(number + 1))
        files.set_fault(f"{number}:{what}")
        try:
            taken = intake.take(waiting, SCANNER)
        except RefusedError as error:
            assert error.dimse_status == 0xA700
        except OSError as error:  # the removal of what was not taken failed too: swept later
            assert error.strerror
        else:
            acknowledged.append(taken.sop_instance_uid)
            break
        finally:
            files.set_fault("")
    assert number > 4, "nothing failed"
    recovery.sweep(store, settled_seconds=0)
    retention.sweep(store, settled_seconds=0)
    check(store, acknowledged)
