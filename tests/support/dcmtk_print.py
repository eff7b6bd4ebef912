"""DCMTK's print client and its own print SCP, as judges and as peers."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from tests.support.ports import free_port
from tests.support.service import wait_for_port

PRINTER = """
[{name}]
Aetitle = {ae_title}
Hostname = localhost
Port = {port}
Type = {kind}
DisplayFormat=1,1\\2,2
FilmSizeID = 8INX10IN\\14INX17IN\\17INX17IN
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
        self.ours, self.theirs = ours, free_port()
        for name in ("spool_scu", "spool_scp", "db_scu", "db_scp", "lut"):
            (folder / name).mkdir()
        local = PRINTER.format(name="IHEFULL", ae_title="IHEFULL", port=self.theirs, kind="LOCALPRINTER")
        self.calls("APPLIANCE")
        (folder / "scp.cfg").write_text(DCMTK.format(folder=folder, side="scp") + local)
        (folder / "log.cfg").write_text(LOG.replace("{{", "{").replace("}}", "}"))
        self.environment = {**os.environ, "TCP_NODELAY": "1"}

    def calls(self, ae_title: str) -> None:
        """The AE title under which the printer OURS is called from now on."""
        printers = PRINTER.format(name="OURS", ae_title=ae_title, port=self.ours, kind="PRINTER")
        printers += PRINTER.format(name="THEIRS", ae_title="IHEFULL", port=self.theirs, kind="PRINTER")
        (self.folder / "scu.cfg").write_text(DCMTK.format(folder=self.folder, side="scu") + printers)

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
        """Seconds from asking for the association to the answer to N-ACTION. Raises AssertionError without one."""
        seconds = self._answered(printer, stored_print)
        assert seconds is not None, f"{printer} did not answer N-ACTION"
        return seconds

    def is_acknowledged(self, printer: str, stored_print: Path) -> bool:
        """Send a film that may meet a printer on its way down: whether N-ACTION was answered."""
        return self._answered(printer, stored_print) is not None

    def _answered(self, printer: str, stored_print: Path) -> float | None:
        command = ["dcmprscu", "--log-config", str(self.folder / "log.cfg"), "-c", str(self.folder / "scu.cfg")]
        command += ["-p", printer, str(stored_print)]
        result = subprocess.run(command, env=self.environment, check=False, capture_output=True, text=True)
        lines = [line.split(" ", 1) for line in result.stdout.splitlines() if " " in line]
        asked = [float(at) for at, words in lines if "Requesting Association" in words]
        # the client deletes the film box once N-ACTION was answered with success
        answers = [float(at) for at, words in lines if "N-DELETE RQ" in words]
        return answers[0] - asked[0] if asked and answers else None


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
