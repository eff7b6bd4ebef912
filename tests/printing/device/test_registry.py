from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import SettingError, UsageError
from appliance.printing.device.dicom import DicomDevice
from appliance.printing.device.folder import FolderDevice
from appliance.printing.device.ipp import IppDevice
from appliance.printing.device.lpd import LpdDevice
from appliance.printing.device.registry import SCHEMES, open_device
from appliance.printing.device.socket import SocketDevice

DEVICES = {
    "folder:/films/a": FolderDevice,
    "folder:///films/a": FolderDevice,
    "socket://printer.example": SocketDevice,
    "ipp://printer.example/ipp/print": IppDevice,
    "ipps://printer.example": IppDevice,
    "lpd://printer.example/queue": LpdDevice,
    "dicom://IMAGER@printer.example": DicomDevice,
    "dicoms://IMAGER@printer.example": DicomDevice,
}


@pytest.mark.parametrize(("uri", "kind"), DEVICES.items())
def test_a_scheme_finds_its_device(uri: str, kind: type) -> None:
    assert isinstance(open_device(uri, options={"folder_roots": ["/films"]}), kind)


@pytest.mark.parametrize("uri", ["usb://x", "http://printer.example/", "file:/etc/passwd", "", "printer"])
def test_an_unknown_scheme_names_those_there_are(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_device(uri)
    assert all(f"{scheme}:" in str(caught.value) for scheme in SCHEMES)


@pytest.mark.parametrize(
    "uri",
    [
        "folder:relative",
        "folder://host/x",
        "folder://[",
        "folder:/films/../etc",
        "lpd://host",
        "lpd://host/a b",
        "dicom://host:104",
    ]
    + ["dicom://A_TITLE_THAT_IS_TOO_LONG@host", "socket://"],
)
def test_a_uri_that_makes_no_sense_is_refused(uri: str) -> None:
    with pytest.raises(UsageError):
        open_device(uri, options={"folder_roots": ["/films"]})


def test_a_mistyped_option_names_the_nearest_one() -> None:
    with pytest.raises(SettingError, match="did you mean stall_deadline"):
        open_device("socket://printer.example", options={"stal_deadline": 5})


def test_ports_have_defaults() -> None:
    ports = {uri.partition(":")[0]: open_device(uri).endpoint.port for uri in DEVICES if "://p" in uri or "@" in uri}  # type: ignore[attr-defined]
    assert ports == {"socket": 9100, "ipp": 631, "ipps": 631, "lpd": 515, "dicom": 104, "dicoms": 2762}


def test_a_file_of_authorities_that_is_none_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("no certificate")
    with pytest.raises(SettingError, match=r"ca\.pem"):
        open_device("ipps://printer.example", options={"tls_ca_file": str(wrong)})
