"""The robots: Primera (PTBurn ``.JRQ``), Epson (TD Bridge ``.JDF``); Rimage is refused with the reason."""

from __future__ import annotations

from pathlib import Path

from appliance.errors import UsageError
from appliance.media.burner.job_folder import DONE, FAILED, WAITING, WORKING, JobFolderBurner, ini_sections
from appliance.media.burner.options import BurnerOptions
from appliance.media.burner.outcome import Burner, BurnRequest, Supply
from appliance.words import say

CLIENT = "APPLIANCE"
STATUS_FILE = "tdbstatus.txt"
NO_ERROR = ("", "-1", "no error", "no errors", "noerrors", "none")


def _is_error(value: str) -> bool:
    return value.casefold() not in NO_ERROR and bool(value.strip("0 "))


class PrimeraBurner(JobFolderBurner):
    """PTBurn (Bravo, Disc Publisher), by its SDK 3.24: one ``Key = Value`` a line."""

    maker = "Primera"
    submitted = ".JRQ"
    states = {".QRJ": WORKING, ".INP": WORKING, ".DON": DONE, ".ERR": FAILED}
    default_label = "jpeg"
    verifies = True  # VerifyDisc = YES

    def job(self, request: BurnRequest, image: str, label: str) -> list[str]:
        """An image, burned as it is and compared, closed, with its label."""
        options = self.options
        values = {
            "JobID": request.job_name,
            "ClientID": CLIENT,
            "ImageFile": image,
            "ImageType": "MODE_1_2048",
            "CloseDisc": "YES",
            "VerifyDisc": "YES",
            "RejectIfNotBlank": "YES",
            "Copies": str(request.copies),
            "VolumeName": request.volume_id,
            "BurnSpeed": options.speed,
            "PrintLabel": options.template or label,
            "RobotName": options.robot,
            "BinID": options.bin,
        }
        lines = [f"{key} = {value}" for key, value in values.items() if value]
        # one for each field of the template, empty ones too: by their order alone it knows them
        told = self.fields.values() if options.template else ()
        return lines + [f"MergeField = {request.fields.get(what, '')}" for what in told]

    def abort(self, request: BurnRequest) -> tuple[str, list[str]]:
        """A ``.PTM`` message."""
        return f"{request.job_name}.PTM", ["Message = ABORT", f"ClientID = {CLIENT}"]

    def says(self, job_name: str) -> str:
        """The error text of the job, else of the robot, in the status files PTBurn keeps beside its jobs."""
        for path in self._status_files():
            sections = ini_sections(path, self.options.code_page)
            for name in (job_name.casefold(), self.options.robot.casefold(), "system"):
                for key, value in sections.get(name, {}).items():
                    if key.endswith("errorstring") and _is_error(value):
                        return value
        return ""

    def levels(self) -> tuple[Supply, ...]:
        """Not read: what its keys mean differs by model."""
        return ()

    def _status_files(self) -> list[Path]:
        """Of the system and of each robot; another robot's troubles are none of ours."""
        folder = self.path / "Status"
        found = sorted(folder.glob("*.txt")) if folder.is_dir() else []
        ours = (self.options.robot.casefold(), "systemstatus")
        return [path for path in found if not self.options.robot or path.stem.casefold() in ours]


class EpsonBurner(JobFolderBurner):
    """TD Bridge (PP-100 family), by its technical reference: ``KEY=value``, upper case, without blanks."""

    maker = "Epson"
    submitted = ".JDF"
    states = {".RJD": WORKING, ".INP": WORKING, ".STP": WAITING, ".DON": DONE, ".ERR": FAILED}
    default_label = ""  # it prints from templates of its own program
    verifies = False
    aborted = (".CDN", ".CER")

    def job(self, request: BurnRequest, image: str, label: str) -> list[str]:
        """An image, closed."""
        values = {
            "JOB_ID": request.job_name,
            "PUBLISHER": self.options.publisher,
            "COPIES": str(request.copies),
            "DISC_TYPE": request.medium.upper(),
            "CLOSE_DISC": "YES",
            "IMAGE": image,
            "VOLUME_LABEL": request.volume_id,
            "LABEL": self.options.template or label,
            "REPLACE_FIELD": self._seen(self._fields_file(request)) if self.options.template else "",
        }
        return [f"{key}={value}" for key, value in values.items() if value]

    def field_lines(self, request: BurnRequest) -> list[str]:
        """``NAME=value`` for each field of the template."""
        told = self.fields.items() if self.options.template else ()
        return [f"{name}={request.fields.get(what, '')}" for name, what in told]

    def abort(self, request: BurnRequest) -> tuple[str, list[str]]:
        """A ``.JCF`` file."""
        return f"{request.job_name}.JCF", ["[CANCEL]", f"JOB_ID={request.job_name}"]

    def says(self, job_name: str) -> str:
        """What ``ERROR`` says of the job in TD Bridge's status file; of the robot itself it has codes alone."""
        for path in sorted(self.path.iterdir()):
            if path.name.casefold() == STATUS_FILE or path.suffix.casefold() == ".stf":
                told = ini_sections(path, self.options.code_page).get(job_name.casefold(), {}).get("error", "")
                if _is_error(told):
                    return told
        return ""

    def levels(self) -> tuple[Supply, ...]:
        """Not read: the names of its status keys are not certain."""
        return ()


def rimage(uri: str, options: BurnerOptions) -> Burner:
    """Refused: raises UsageError with the reason."""
    raise UsageError(
        say(
            "Rimage robots take orders over a messaging interface whose format is not published; we "
            "don't guess. Use folder: and let Rimage's own program take the images from there."
        ),
        field="burner_uri",
    )
