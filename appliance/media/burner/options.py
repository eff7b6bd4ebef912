"""What a burner may be told beside its URI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.jobs.options import CodePage, Seconds, options_of


@dataclass(frozen=True, kw_only=True)
class BurnerOptions:
    """Limits and choices for one burner; times in seconds."""

    folder_roots: tuple[Path, ...] = ()  # job folders and folder: lie under one of these
    mount_point: str = ""  # of theirs: where their file system must be mounted; noted when the address is set
    label: str = ""  # kind of label: pdf, png, jpeg, bmp, none; empty: the burner's own
    speed: str = ""  # drive: as the drive knows it (8, 16); robots: 0 is the fastest
    eject: bool = True  # drive: when a disc is done
    blank_rewritable: bool = False  # drive: a rewritable disc that is not blank is blanked
    token: str = ""  # agent: name of the agents' token that opens its jobs; empty: any of them
    deadline: Seconds = 7200.0  # robots: a job taken and not ended
    taken_deadline: Seconds = 600.0  # robots: a job not taken: the robot's software is not running
    robot_root: str = ""  # robots: the job folder as the robot sees it (C:\\Jobs, or a share of a server)
    code_page: CodePage = "cp1252"  # robots: of their job files
    crlf: bool = True  # robots: their job files' lines end in CR LF
    robot: str = ""  # robots: name of the device, where there are several
    publisher: str = ""  # epson: registered name of the device
    bin: str = ""  # robots: input bin
    template: str = ""  # robots: label template (.tdd, .std) of their own program, by the path they see it under
    fields: tuple[str, ...] = ()  # robots: the template's fields in its order, NAME=PatientName; empty: all, by keyword
    extra: tuple[str, ...] = ()  # robots: further lines of the job file, as they are


def burner_options(values: Mapping[str, Any] | BurnerOptions | None) -> BurnerOptions:
    """Options from plain values. Raises SettingError naming the one that is unknown or can't be."""
    if isinstance(values, BurnerOptions):
        return values
    return options_of(BurnerOptions, values or {})
