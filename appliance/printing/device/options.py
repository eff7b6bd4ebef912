"""What a device may be told beside its URI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.config import AETitle
from appliance.film.boxes import FilmSession
from appliance.film.raster import FilmRaster
from appliance.jobs.options import Network, Seconds, options_of

ComposeRaster = Callable[[FilmSession, int, Path | None, tuple[int, int] | None], FilmRaster]
"""(session, number of the film from 1, folder of its images, (rows, columns) or None) -> grey P-values.

It must leave the GSDF out: the imager applies it."""

FILES = ("tls_ca_file", "tls_certificate_file", "tls_key_file")
"""Options that name a file, empty for none."""


@dataclass(frozen=True, kw_only=True)
class DeviceOptions:
    """Limits and choices for one device; times in seconds."""

    folder_roots: tuple[Path, ...] = ()  # folder: lies under one of these
    mount_point: str = ""  # folder: where its file system must be mounted; noted when the address is set
    allowed_networks: tuple[Network, ...] = ()  # CIDR; empty: all but link-local
    allow_loopback: bool = True
    connect_deadline: Seconds = 10.0
    stall_deadline: Seconds = 60.0  # without any progress; a slow printer may take as long as it likes
    close_deadline: Seconds = 300.0  # all bytes taken, printer still prints before it closes (socket:)
    busy_deadline: Seconds = 300.0  # for the second document on: the printer is busy with the one before
    job_deadline: Seconds = 3600.0  # a job taken by an IPP printer and not yet ended
    probe_deadline: Seconds = 10.0  # for status() and check() in all
    poll_interval: Seconds = 0.5  # between questions after a job's state
    tls_verify: bool = True  # ipps, dicoms: the certificate must be valid for the host name
    tls_ca_file: Path | None = None  # ipps, dicoms: trust this instead of the system's authorities
    tls_certificate_file: Path | None = None  # dicoms: our own, for imagers that want to know us
    tls_key_file: Path | None = None  # dicoms: its key, when it is not in the same file
    username: str = ""  # ipp, ipps: HTTP Basic, over ipps only
    password: str = field(default="", repr=False)
    calling_ae_title: AETitle = "APPLIANCE"  # dicom:
    terms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # dicom: keyword -> our term -> the imager's
    drop: tuple[str, ...] = ()  # dicom: keywords the imager must not be sent
    printable_matrix: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # dicom: FilmSizeID -> rows, columns
    compose_raster: ComposeRaster | None = None  # dicom: for a layout the imager refuses


def device_options(values: Mapping[str, Any] | DeviceOptions | None) -> DeviceOptions:
    """Options from plain values. Raises SettingError naming the one that is unknown or can't be."""
    if isinstance(values, DeviceOptions):
        return values
    plain = dict(values or {})
    for name in FILES:
        plain[name] = plain.get(name) or None
    return options_of(DeviceOptions, plain)
