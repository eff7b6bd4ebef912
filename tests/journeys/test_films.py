"""Films from the front door to the printer: DCMTK's print client, real processes, real printers."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.dcmtk_print import DcmtkPrint, secondary_capture
from tests.support.fault_printers import SocketPrinter
from tests.support.ippeve import ippeve_printer
from tests.support.patience import patient
from tests.support.ports import free_port
from tests.support.service import column, command, running

# PS3.14 Table D.2-1: 8-bit P-values on film, Dmin 0.20, Dmax 3.00, L0 2000, La 10
DENSITIES = {0: 3.000, 128: 1.122, 255: 0.200}


def eventually(happened: Callable[[], object], seconds: float = 40) -> None:
    end = time.monotonic() + patient(seconds)
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def states(data: Path) -> list[str]:
    return column(data, "SELECT job_state FROM print_job")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    command(tmp_path / "data", "printer", "set", "film", "--resolution", "100")
    return tmp_path / "data"


@pytest.fixture
def dcmtk(tmp_path: Path) -> Iterator[DcmtkPrint]:
    (tmp_path / "dcmtk").mkdir()
    yield DcmtkPrint(tmp_path / "dcmtk", free_port())


def stripes(folder: Path) -> Path:
    """Three stripes, one above the other, of the P-values whose densities PS3.14 prints."""
    pixels = np.zeros((300, 300), np.uint8)
    pixels[100:200], pixels[200:] = 128, 255
    return secondary_capture(folder / "stripes.dcm", pixels, 8)


@pytest.mark.slow
def test_the_grey_on_film_is_the_grey_the_standard_asks_for(data: Path, dcmtk: DcmtkPrint, tmp_path: Path) -> None:
    # a measured printer whose density falls evenly with its driving level
    measured = '[{"kind": "measured", "driving_levels": [0, 1], "densities": [3.0, 0.2], "name": "made up"}]'
    command(data, "printer", "set", "film", "--bits", "16", "--set", f"characteristics={measured}")
    film = dcmtk.stored_print(stripes(tmp_path))
    with running(data, dcmtk.ours, ["dicom", "films"]):
        dcmtk.send("OURS", film)
        eventually(lambda: states(data) == ["completed"])
    document = next((data / "printed").glob("*.pdf"))
    subprocess.run(["qpdf", "--check", document], check=True, capture_output=True)
    drawn = tmp_path / "film.tiff"
    ghostscript = ["gs", "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=tiffgray", "-r100", f"-sOutputFile={drawn}"]
    subprocess.run([*ghostscript, str(document)], check=True)
    levels = np.asarray(Image.open(drawn)).astype(float)
    assert levels.shape == (1700, 1700)  # 17 x 17 in at 100 dpi
    for row, density in zip((280, 850, 1420), DENSITIES.values(), strict=True):
        assert 3.0 - levels[row, 850] / 255 * 2.8 == pytest.approx(density, abs=2.8 / 255)


@pytest.mark.slow
def test_a_film_comes_out_of_a_folder_a_raw_port_and_an_ipp_printer(
    data: Path, dcmtk: DcmtkPrint, tmp_path: Path
) -> None:
    film = dcmtk.stored_print(stripes(tmp_path), size="14INX17IN")
    raw = SocketPrinter()
    with ippeve_printer(tmp_path, films=True) as ipp:
        add = ("--resolution", "100", "--film-size", "14INX17IN")
        command(
            data,
            "printer",
            "add",
            "raw",
            "--uri",
            f"socket://127.0.0.1:{raw.port}",
            "--ae-title",
            "RAW",
            *add,
            "--format",
            "ps",
        )
        command(data, "printer", "add", "ipp", "--uri", ipp.uri, "--ae-title", "IPP", *add)
        with running(data, dcmtk.ours, ["dicom", "films"]):
            for called in ("APPLIANCE", "RAW", "IPP"):
                dcmtk.calls(called)
                dcmtk.send("OURS", film)
            eventually(lambda: states(data) == ["completed"] * 3)
        jobs = {job["printer"]: job for job in command(data, "job", "list")}
        documents = {
            name: data / "jobs" / str(job["job_id"]) / job["films"][0]["document"] for name, job in jobs.items()
        }
        assert [path.read_bytes() for path in (data / "printed").glob("*")] == [documents["film"].read_bytes()]
        assert raw.printed == [documents["raw"].read_bytes()]
        assert raw.printed[0].startswith(b"%!PS-Adobe-3")
        assert ipp.documents() == [documents["ipp"].read_bytes()]
    assert jobs["raw"]["job_state_reasons"] == ["queued-in-device"]
    raw.stop()


@pytest.mark.slow
def test_films_acknowledged_come_out_once_whatever_is_killed(data: Path, dcmtk: DcmtkPrint, tmp_path: Path) -> None:
    """kill -9 of the processes at random moments while a modality prints; a ledger outside counts."""
    film = dcmtk.stored_print(stripes(tmp_path), size="8INX10IN")
    chance, acknowledged = random.Random(7), 0
    for _ in range(4):
        with running(data, dcmtk.ours, ["dicom", "films"]) as processes:
            end = time.monotonic() + chance.uniform(0.5, 2.5)
            while time.monotonic() < end:
                acknowledged += dcmtk.is_acknowledged("OURS", film)
            for process in processes:
                process.send_signal(signal.SIGKILL)
    with running(data, dcmtk.ours, ["dicom", "films"]):
        eventually(lambda: set(states(data)) == {"completed"})
    jobs = command(data, "job", "list", "--limit", "1000")
    out = sorted(path.name for path in (data / "printed").glob("*"))
    assert out == sorted(f"{job['job_id']}-01.pdf" for job in jobs)
    assert len(jobs) >= acknowledged > 0
    assert not list((data / "spool").iterdir())
