"""What benchmarks share: a running appliance, DCMTK's print pair, paired medians."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

ROOT = Path(__file__).parent.parent


def medians(*sides: Callable[[], float], runs: int = 5) -> list[float]:
    """Seconds of each side, run in turn `runs` times after one warm-up; medians."""
    for side in sides:
        side()
    times = [[side() for side in sides] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def timed(deed: Callable[[], object]) -> float:
    start = time.perf_counter()
    deed()
    return time.perf_counter() - start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


@contextlib.contextmanager
def running(data: Path, port: int, parts: Sequence[str], **environment: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Parts of the appliance on a data folder."""
    settings = {
        **os.environ,
        "APPLIANCE_DICOM_PORT": str(port),
        "APPLIANCE_WEB_PORT": str(free_port()),
        "APPLIANCE_LOG_LEVEL": "ERROR",
        "APPLIANCE_STORAGE_RESERVE_PERCENT": "0",
        **environment,
    }
    command = [sys.executable, "-m", "appliance", "serve", "--data", str(data), "--only"]
    processes = [subprocess.Popen([*command, part], env=settings, cwd=ROOT) for part in parts]
    try:
        if "dicom" in parts:
            wait_for_port(port)
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(60)


def resident(pid: int, field: str = "VmRSS") -> int:
    """Bytes of memory a process holds (VmRSS) or held at most (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def secondary_capture(path: Path, pixels: np.ndarray, bits: int) -> Path:
    """A made-up image file of `bits` stored."""
    dataset, meta = Dataset(), FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientName, dataset.PatientID, dataset.Modality = "BENCH^MARK", "B1", "OT"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20260101", "120000", "1"
    dataset.ConversionType, dataset.SeriesNumber, dataset.InstanceNumber = "WSD", 1, 1
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = (8 if bits == 8 else 16), bits, bits - 1
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels.astype("<u1" if bits == 8 else "<u2").tobytes()
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"
    dataset.save_as(path, enforce_file_format=True)
    return path


PRINTER = """
[{name}]
Aetitle = {ae_title}
Hostname = localhost
Port = {port}
Type = {kind}
DisplayFormat=1,1\\2,2
FilmSizeID = 14INX17IN\\17INX17IN
MediumType = PAPER\\CLEAR FILM\\BLUE FILM
FilmDestination = MAGAZINE\\PROCESSOR
MagnificationType = REPLICATE\\BILINEAR\\CUBIC\\NONE
BorderDensity = BLACK\\WHITE
EmptyImageDensity = BLACK\\WHITE
MaxDensity = 300
MinDensity = 20
ResolutionID = STANDARD
SmoothingType = NONE
MaxPDU = 131072
Supports12Bit = true
SupportsPresentationLUT = true
PresentationLUTMatchRequired = false
PresentationLUTPreferSCPRendering = true
SupportsDecimateCrop = true
SupportsImageSize = true
SupportsTrim = true
"""

DCMTK = """[[GENERAL]]
[PRINT]
Directory = {folder}/spool_{side}
DefaultIllumination = 2000
DefaultReflection = 10
[DATABASE]
Directory = {folder}/db_{side}
[LUT]
Directory = {folder}/lut
[NETWORK]
aetitle = BENCH
[[COMMUNICATION]]
"""

LOG = """log4cplus.rootLogger = DEBUG, console
log4cplus.appender.console = log4cplus::ConsoleAppender
log4cplus.appender.console.logToStdErr = false
log4cplus.appender.console.layout = log4cplus::PatternLayout
log4cplus.appender.console.layout.ConversionPattern = %D{{%s.%q}} %m%n
"""


class DcmtkPrint:
    """DCMTK's print client, towards us and towards its own dcmprscp."""

    def __init__(self, folder: Path, ours: int) -> None:
        self.folder = folder
        self.theirs = free_port()
        for name in ("spool_scu", "spool_scp", "db_scu", "db_scp", "lut"):
            (folder / name).mkdir()
        printers = PRINTER.format(name="OURS", ae_title="APPLIANCE", port=ours, kind="PRINTER")
        printers += PRINTER.format(name="THEIRS", ae_title="IHEFULL", port=self.theirs, kind="PRINTER")
        local = PRINTER.format(name="IHEFULL", ae_title="IHEFULL", port=self.theirs, kind="LOCALPRINTER")
        (folder / "scu.cfg").write_text(DCMTK.format(folder=folder, side="scu") + printers)
        (folder / "scp.cfg").write_text(DCMTK.format(folder=folder, side="scp") + local)
        (folder / "log.cfg").write_text(LOG.replace("{{", "{").replace("}}", "}"))
        self.environment = {**os.environ, "TCP_NODELAY": "1"}

    @contextlib.contextmanager
    def scp(self) -> Iterator[int]:
        """A running dcmprscp; the port it listens on."""
        command = ["dcmprscp", "-c", str(self.folder / "scp.cfg"), "-p", "IHEFULL"]
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(self.theirs)
            yield self.theirs
        finally:
            process.kill()
            process.wait()

    def stored_print(self, *images: Path, layout: tuple[int, int] = (1, 1), size: str = "17INX17IN") -> Path:
        """A Stored Print object of images, by dcmpsprt."""
        before = set((self.folder / "db_scu").glob("SP_*"))
        command = ["dcmpsprt", "-c", str(self.folder / "scu.cfg"), "-p", "OURS", "--identity"]
        command += ["--layout", str(layout[0]), str(layout[1]), "--filmsize", size, "--portrait"]
        subprocess.run([*command, *map(str, images)], check=True, capture_output=True)
        return next(iter(set((self.folder / "db_scu").glob("SP_*")) - before))

    def send(self, printer: str, stored_print: Path) -> float:
        """Seconds from asking for the association to the answer to N-ACTION."""
        command = ["dcmprscu", "--log-config", str(self.folder / "log.cfg"), "-c", str(self.folder / "scu.cfg")]
        command += ["-p", printer, str(stored_print)]
        result = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True)
        lines = [line.split(" ", 1) for line in result.stdout.splitlines() if " " in line]
        asked = next(float(at) for at, words in lines if "Requesting Association" in words)
        answers = [float(at) for at, words in lines if "N-ACTION RSP" in words or "N-DELETE RQ" in words]
        if not answers:
            raise SystemExit(f"{printer} printed nothing:\n{result.stdout[-2000:]}")
        return answers[0] - asked


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder on a real disk for the time of a benchmark."""
    with tempfile.TemporaryDirectory(prefix="appliance-bench-") as folder:
        yield Path(folder)
