"""DCMTK's print client: films made by dcmpsprt, sent by dcmprscu."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from tests.dicom.clients import dataset

CONFIGURATION = """\
[[GENERAL]]
[APPLICATION]
LogDirectory = log
LogFile = general.log
LogLevel = INFO
[PRINT]
Directory = spool
DetailedLog = false
BinaryLog = false
Sleep = 1
DefaultIllumination = 2000
DefaultReflection = 10
DeletePrintJobs = true
AlwaysDeleteTerminateJobs = true
[DATABASE]
Directory = films
[LUT]
Directory = lut
[NETWORK]
aetitle = DCMTK

[[COMMUNICATION]]
[DOOR]
Aetitle = APPLIANCE
Description = the appliance
Hostname = localhost
Port = {port}
Type = PRINTER
BorderDensity = BLACK\\WHITE\\150
DisableNewVRs = false
DisplayFormat = 1,1\\1,2\\2,1\\2,2\\2,3
EmptyImageDensity = BLACK\\WHITE\\150
FilmDestination = MAGAZINE\\PROCESSOR\\BIN_1
FilmSizeID = 14INX17IN\\8INX10IN\\A4
ImplicitOnly = {implicit}
MagnificationType = CUBIC\\BILINEAR\\REPLICATE\\NONE
MaxDensity = 300\\280
MaxPDU = 131072
MediumType = BLUE FILM\\CLEAR FILM\\PAPER
MinDensity = 20\\25
PresentationLUTMatchRequired = true
PresentationLUTinFilmSession = {lut_in_session}
PresentationLUTPreferSCPRendering = true
ResolutionID = STANDARD\\HIGH
SmoothingType = NONE
Supports12Bit = true
SupportsDecimateCrop = true
SupportsImageSize = true
SupportsPresentationLUT = true
SupportsTrim = true
SessionLabelAnnotation = false
Annotation = 2\\LABEL

[[LUT]]
[GAMMA]
description = gamma 0.7
filename = gamma.dcm
"""


@dataclass(frozen=True)
class PrintBench:
    """A working folder of DCMTK's print tools."""

    folder: Path

    def configure(self, port: int, *, implicit: bool = False, lut_in_session: bool = False) -> None:
        for name in ("films", "spool", "log", "lut"):
            (self.folder / name).mkdir(exist_ok=True)
        text = CONFIGURATION.format(
            port=port, implicit=str(implicit).lower(), lut_in_session=str(lut_in_session).lower()
        )
        (self.folder / "dcmpstat.cfg").write_text(text)

    def image(self, name: str, bits: int = 12, photometric: str = "MONOCHROME2") -> Path:
        """A Secondary Capture ramp of 32 rows and 48 columns."""
        ramp = np.linspace(0, (1 << bits) - 1, 32 * 48).astype("<u1" if bits == 8 else "<u2")
        made = dataset(
            SOPClassUID=SecondaryCaptureImageStorage, SOPInstanceUID=generate_uid(), StudyInstanceUID=generate_uid(),
            SeriesInstanceUID=generate_uid(), Modality="OT", ConversionType="WSD", PatientName="MADE^UP",
            PatientID="1", StudyID="1", SeriesNumber=1, InstanceNumber=1, Rows=32, Columns=48, SamplesPerPixel=1,
            PhotometricInterpretation=photometric, BitsAllocated=8 if bits == 8 else 16, BitsStored=bits,
            HighBit=bits - 1, PixelRepresentation=0, PixelData=ramp.tobytes(),
        )  # fmt: skip
        made["PixelData"].VR = "OB" if bits == 8 else "OW"
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = self.folder / f"{name}.dcm"
        made.save_as(path, enforce_file_format=True)
        return path

    def run(self, *command: str | Path) -> str:
        """What a tool said; fails when it failed."""
        result = subprocess.run(
            [str(part) for part in command],
            cwd=self.folder, capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "TCP_NODELAY": "1"},
        )  # fmt: skip
        said = result.stdout + result.stderr
        assert result.returncode == 0, said
        return said

    def compose(self, *arguments: str | Path) -> list[Path]:
        """Stored Print objects made by dcmpsprt."""
        before = set((self.folder / "films").glob("SP_*"))
        self.run("dcmpsprt", "-c", "dcmpstat.cfg", "-p", "DOOR", *arguments)
        return sorted(set((self.folder / "films").glob("SP_*")) - before)

    def send(self, films: list[Path], *options: str) -> str:
        return self.run("dcmprscu", "-v", "+d", "-c", "dcmpstat.cfg", "-p", "DOOR", *options, *films)
