"""From a device URI to the device, by its scheme."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.errors import UsageError
from appliance.printing.device.folder import FolderDevice
from appliance.printing.device.ipp import IppDevice
from appliance.printing.device.lpd import LpdDevice
from appliance.printing.device.options import DeviceOptions, device_options
from appliance.printing.device.outcome import Device
from appliance.printing.device.socket import SocketDevice
from appliance.words import say


def _imager(uri: str, options: DeviceOptions) -> Device:
    """An imager brings the whole DICOM network along: loaded when there is one."""
    from appliance.printing.device.dicom import DicomDevice

    return DicomDevice(uri, options)


SCHEMES: dict[str, tuple[Callable[[str, DeviceOptions], Device], str]] = {
    "folder": (FolderDevice, "folder:/path"),
    "socket": (SocketDevice, "socket://host:9100"),
    "ipp": (IppDevice, "ipp://host:631/ipp/print"),
    "ipps": (IppDevice, "ipps://host:631/ipp/print"),
    "lpd": (LpdDevice, "lpd://host/queue"),
    "dicom": (_imager, "dicom://AE@host:104"),
    "dicoms": (_imager, "dicoms://AE@host:2762"),
}


def open_device(uri: str, *, options: Mapping[str, Any] | DeviceOptions | None = None) -> Device:
    """The device of `uri`; nothing is connected to yet. Raises UsageError when the URI or an option makes no sense."""
    scheme = uri.partition(":")[0].lower()
    if scheme not in SCHEMES:
        forms = ", ".join(form for _, form in SCHEMES.values())
        raise UsageError(
            say("No device is reached by %(scheme)s:; there are %(forms)s", scheme=scheme or "nothing", forms=forms),
            field="device_uri",
        )
    return SCHEMES[scheme][0](uri, device_options(options))
