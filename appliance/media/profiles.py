"""Media and application profiles, as data (PS3.11, PS3.12)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from appliance.errors import UsageError
from appliance.words import say

EXPLICIT_LE = "1.2.840.10008.1.2.1"
_JPEG = "1.2.840.10008.1.2.4."
_STORAGE = "1.2.840.10008.5.1.4.1.1."
SECTOR = 2048
_RESERVE = 300 * SECTOR  # lead-out padding burners add: 150 sectors, then whole 32 KiB blocks


@dataclass(frozen=True, kw_only=True)
class Medium:
    """What an image is made for."""

    name: str
    kind: str  # "cd", "dvd", "usb", "zip": what application profiles name
    capacity: int | None  # bytes of the largest image or folder; None: as large as need be
    title: str  # for people

    @property
    def form(self) -> str:
        """What is built: "iso", "folder" or "zip"."""
        return {"cd": "iso", "dvd": "iso", "usb": "folder", "zip": "zip"}[self.kind]


MEDIA: dict[str, Medium] = {
    medium.name: medium
    for medium in (
        # 74 and 80 minutes of 75 sectors a second; 80 minute blanks hold 359,849 sectors
        Medium(name="cd-650", kind="cd", capacity=333_000 * SECTOR - _RESERVE, title=say("CD 650 MB (74 minutes)")),
        Medium(name="cd-700", kind="cd", capacity=359_849 * SECTOR - _RESERVE, title=say("CD 700 MB (80 minutes)")),
        # the smaller of the + and - kinds
        Medium(name="dvd", kind="dvd", capacity=2_295_104 * SECTOR - _RESERVE, title=say("DVD 4.7 GB")),
        Medium(name="dvd-dl", kind="dvd", capacity=4_171_712 * SECTOR - _RESERVE, title=say("DVD double layer 8.5 GB")),
        Medium(name="usb", kind="usb", capacity=None, title=say("USB medium (folder)")),
        Medium(name="zip", kind="zip", capacity=None, title=say("Zip archive")),
    )
}


def medium(name: str) -> Medium:
    """A medium by name, or one of its own size: ``cd:200000000`` is a CD of that many bytes."""
    base, _, size = name.partition(":")
    if not size and name in MEDIA:
        return MEDIA[name]
    kinds = {"cd": "cd", "dvd": "dvd", "usb": "usb", "zip": "zip"}
    if base in kinds and size.isascii() and size.isdigit() and int(size) > 0:
        return Medium(
            name=name,
            kind=kinds[base],
            capacity=int(size),
            title=say("%(medium)s of %(size)s bytes", medium=base.upper(), size=f"{int(size):,}"),
        )
    known = ", ".join(MEDIA)
    raise UsageError(
        say(
            "There is no medium %(name)s; known are %(known)s, or a size of your own as cd:BYTES",
            name=repr(name),
            known=known,
        ),
        field="medium",
    )


@dataclass(frozen=True, kw_only=True)
class ApplicationProfile:
    """Which instances, in which transfer syntaxes, may lie on which media; which keys the directory needs."""

    name: str
    kinds: tuple[str, ...]  # of media
    transfer_syntaxes: frozenset[str]  # besides Explicit VR Little Endian, which all of them allow
    keys: str  # table of PS3.11 with extra directory keys: "D.3-2", "H.3-2", "E.3-2", or "" for none
    classes: frozenset[str] | None = None  # SOP classes allowed; None: every one with a directory record
    any_syntax: bool = False  # as the conformance statement says: none is decompressed
    pdi: bool = False  # one that IHE Portable Data for Imaging knows for its media (RAD TF-2 4.47)
    udf: bool = False  # a UDF 1.02 bridge beside ISO 9660

    def allows(self, TransferSyntaxUID: str) -> bool:
        """Whether an instance may stay in this transfer syntax."""
        return TransferSyntaxUID == EXPLICIT_LE or self.any_syntax or TransferSyntaxUID in self.transfer_syntaxes


def _syntaxes(*numbers: int) -> frozenset[str]:
    return frozenset(_JPEG + str(number) for number in numbers)


_DCT = _syntaxes(50, 51, 70)
_J2K = _syntaxes(90, 91)
_VIDEO_NUMBERS = tuple(range(100, 109))
VIDEO_SYNTAXES = _syntaxes(*_VIDEO_NUMBERS) | {f"{_JPEG}{number}.1" for number in range(100, 107)}
"""MPEG-2, H.264 and HEVC: never decompressed, a disc for them is an augmented one."""

_CTMR = frozenset(_STORAGE + suffix for suffix in ("2", "4", "7", "11.1", "88.67"))

PROFILES: dict[str, ApplicationProfile] = {
    profile.name: profile
    for profile in (
        ApplicationProfile(name="STD-GEN-CD", kinds=("cd",), transfer_syntaxes=frozenset(), keys="D.3-2", pdi=True),
        ApplicationProfile(
            name="STD-GEN-DVD-JPEG", kinds=("dvd",), transfer_syntaxes=_DCT, keys="H.3-2", pdi=True, udf=True
        ),
        ApplicationProfile(
            name="STD-GEN-DVD-J2K", kinds=("dvd",), transfer_syntaxes=_J2K, keys="H.3-2", pdi=True, udf=True
        ),
        ApplicationProfile(name="STD-GEN-USB-JPEG", kinds=("usb",), transfer_syntaxes=_DCT, keys="H.3-2", pdi=True),
        ApplicationProfile(name="STD-GEN-USB-J2K", kinds=("usb",), transfer_syntaxes=_J2K, keys="H.3-2", pdi=True),
        ApplicationProfile(
            name="STD-GEN-ZIP-MAIL", kinds=("zip",), transfer_syntaxes=frozenset(), keys="", any_syntax=True
        ),
        ApplicationProfile(
            name="STD-CTMR-CD", kinds=("cd",), transfer_syntaxes=_syntaxes(70), keys="E.3-2", classes=_CTMR
        ),
        # PS3.11 6: an augmented profile is a standard one and more; here video as it was sent
        ApplicationProfile(name="AUG-GEN-CD-VIDEO", kinds=("cd",), transfer_syntaxes=VIDEO_SYNTAXES, keys="H.3-2"),
        ApplicationProfile(
            name="AUG-GEN-DVD-VIDEO", kinds=("dvd",), transfer_syntaxes=_DCT | VIDEO_SYNTAXES, keys="H.3-2", udf=True
        ),
        ApplicationProfile(
            name="AUG-GEN-USB-VIDEO", kinds=("usb",), transfer_syntaxes=_DCT | VIDEO_SYNTAXES, keys="H.3-2"
        ),
    )
}


def profile(name: str) -> ApplicationProfile:
    """An application profile by name. Blu-ray ones are refused with the reason."""
    found = PROFILES.get(name.upper())
    if found is not None:
        return found
    if "-BD" in name.upper():
        raise UsageError(
            say("%(name)s needs UDF 2.5, which this appliance does not write; use a DVD or USB profile", name=name),
            field="profile",
        )
    raise UsageError(
        say(
            "There is no application profile %(name)s; known are %(profiles)s",
            name=repr(name),
            profiles=", ".join(PROFILES),
        ),
        field="profile",
    )


@lru_cache(maxsize=256)
def usual_medium(found: ApplicationProfile) -> str:
    """The medium a profile is for, where nobody said which."""
    return {"cd": "cd-700"}.get(found.kinds[0], found.kinds[0])


def profiles_that_allow(TransferSyntaxUID: str) -> tuple[str, ...]:
    """Names of the profiles on which an instance could stay as it is, to be proposed."""
    return tuple(each.name for each in PROFILES.values() if each.allows(TransferSyntaxUID))
