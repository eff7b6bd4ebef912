"""Made-up studies, films and discs for the page's tests, made by the real verbs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydicom.data import get_testdata_file
from pydicom.filereader import dcmread

from appliance.events import process_actor
from appliance.media.burners import add_first_burner
from appliance.printing import own_pages, printer_verbs
from appliance.printing.first_run import add_first_printer
from appliance.printing.worker import FilmWorker
from appliance.store.store import Store
from appliance.studies import importing, search

TESTER = process_actor("tests")
HOSTILE = """<script>alert(1)</script>"'><img src=x onerror=alert(2)>"""


def devices(store: Store) -> None:
    """What a fresh data folder has, with small films, which are composed quickly."""
    add_first_printer(store)
    printer = printer_verbs.get_printer(store, "film")
    settings = printer.settings.model_copy(update={"resolution": 72.0, "default_film_size_id": "8INX10IN"})
    printer_verbs.set_printer(store, replace(printer, settings=settings), TESTER)
    add_first_burner(store)


def study(
    store: Store,
    folder: Path,
    *,
    name: str = "IVANOVA^OLGA=ИВАНОВА^ОЛЬГА",
    number: int = 1,
    description: str = "Thorax",
    window: tuple[float, float] | None = None,
) -> str:
    """A CT study of three images in the index, with a window of center and width or none; its Study Instance UID."""
    target = folder / f"made-{number}"
    target.mkdir()
    uid = f"1.2.826.0.1.3680043.10.1499.{number}"
    for image in range(1, 4):
        dataset = dcmread(str(get_testdata_file("CT_small.dcm")))
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.PatientName, dataset.PatientID = name, f"P{number}00"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid, f"{uid}.1"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{uid}.1.{image}"
        dataset.InstanceNumber, dataset.AccessionNumber = image, f"A{number}00"
        dataset.StudyDescription = dataset.SeriesDescription = description
        if window:
            dataset.WindowCenter, dataset.WindowWidth = window
        dataset.save_as(target / f"{image}.dcm")
    importing.import_path(store, target, TESTER)
    found = search.find_studies(store, search.Query(patient_id=f"P{number}00"))
    return str(found[0]["study_instance_uid"])


def film(store: Store, *, printed: bool = True) -> int:
    """A test page's job, printed to the folder printer."""
    job_id = own_pages.submit_test_page(store, printer_verbs.get_printer(store, "film"), TESTER)
    if printed:
        FilmWorker(store).work_off()
    return job_id
