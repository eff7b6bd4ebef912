"""Print profiles: which printer a film goes to, and what it gets where the modality says nothing, or says it wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from appliance.errors import ApplianceError
from appliance.film.display_format import parse as parse_display_format
from appliance.film.sheet import GreyPolicy
from appliance.security.peers import in_network

FILM_KEYWORDS = (
    "NumberOfCopies", "PrintPriority", "MediumType", "FilmDestination", "FilmSessionLabel", "FilmOrientation",
    "FilmSizeID", "MagnificationType", "SmoothingType", "BorderDensity", "EmptyImageDensity", "MinDensity",
    "MaxDensity", "Trim", "ConfigurationInformation", "Illumination", "ReflectedAmbientLight",
    "RequestedResolutionID", "AnnotationDisplayFormatID", "ImageDisplayFormat", "Polarity", "RequestedImageSize",
    "RequestedDecimateCropBehavior",
)  # fmt: skip
"""Attributes of film session, film box and image box that a profile may give defaults and overrides for."""


TERMS: Mapping[str, tuple[str, ...]] = {  # PS3.3 C.13.1 to C.13.5
    "PrintPriority": ("HIGH", "MED", "LOW"),
    "FilmOrientation": ("PORTRAIT", "LANDSCAPE"),
    "MagnificationType": ("REPLICATE", "BILINEAR", "CUBIC", "NONE"),
    "Trim": ("YES", "NO"),
    "RequestedResolutionID": ("STANDARD", "HIGH"),
    "Polarity": ("NORMAL", "REVERSE"),
    "RequestedDecimateCropBehavior": ("DECIMATE", "CROP", "FAIL"),
}
"""Keyword -> its enumerated values: another one in a profile would be refused or ignored on every film."""
DENSITIES = ("BorderDensity", "EmptyImageDensity")
"""BLACK, WHITE, or hundredths of OD."""
LIMITS: Mapping[str, tuple[int, int]] = {
    "NumberOfCopies": (1, 99),
    "MinDensity": (0, 600),
    "MaxDensity": (0, 600),
    "Illumination": (1, 65535),
    "ReflectedAmbientLight": (0, 65535),
}
LONGEST = {"FilmSessionLabel": 64, "ConfigurationInformation": 1024}
SHORT = 16
"""Characters of a code string, where LONGEST says nothing else (PS3.5 CS)."""


def is_value_of(keyword: str, value: Any) -> bool:
    """Whether a film attribute can have this value at all; whether a printer has the medium is the printer's matter."""
    if keyword in LIMITS:
        least, most = LIMITS[keyword]
        return isinstance(value, int) and least <= value <= most
    if keyword in TERMS:
        return value in TERMS[keyword]
    text = str(value)
    if keyword in DENSITIES:
        return text in ("BLACK", "WHITE") or (text.isascii() and text.isdigit() and int(text) <= 600)
    if keyword == "ImageDisplayFormat":
        return can_be_format(text)
    longest = LONGEST.get(keyword, SHORT)
    return bool(text.strip()) and len(text) <= longest and (text.isprintable() or longest > SHORT)


def can_be_format(text: str) -> bool:
    """Whether an Image Display Format can be read."""
    try:
        parse_display_format(text)
    except ApplianceError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class PrintProfile:
    """Chosen by called AE title, then calling AE title, then address."""

    name: str
    printer: str  # name of the printer
    called_ae_title: str = ""  # "" any
    calling_ae_title: str = ""  # "" any
    address: str = ""  # IP address or network; "" any
    defaults: Mapping[str, Any] = field(default_factory=dict)  # keyword -> value for what is absent or empty
    overrides: Mapping[str, Any] = field(default_factory=dict)  # keyword -> value whatever was sent
    aliases: Mapping[str, str] = field(
        default_factory=dict
    )  # value as sent -> value meant, e.g. 35CMX43CM -> 14INX17IN
    grey: GreyPolicy = field(default_factory=GreyPolicy)


def choose_profile(
    profiles: Iterable[PrintProfile], called_ae_title: str, calling_ae_title: str, address: str
) -> PrintProfile | None:
    """The profile that fits best: called AE title before calling AE title before the closest address."""
    fitting = [p for p in profiles if _fits(p, called_ae_title, calling_ae_title, address)]
    return max(fitting, key=_weight, default=None)


def _fits(profile: PrintProfile, called: str, calling: str, address: str) -> bool:
    if profile.called_ae_title not in ("", called) or profile.calling_ae_title not in ("", calling):
        return False
    return not profile.address or in_network(address, profile.address)


def _weight(profile: PrintProfile) -> tuple[bool, bool, int]:
    prefix = int(profile.address.partition("/")[2] or 128) if profile.address else -1
    return bool(profile.called_ae_title), bool(profile.calling_ae_title), prefix


def value_in_use(profile: PrintProfile, keyword: str, sent: Any) -> Any:
    """What an attribute is taken as: override, else what was sent (by its alias), else the default."""
    if keyword in profile.overrides:
        return profile.overrides[keyword]
    if sent is None or sent == "":
        return profile.defaults.get(keyword)
    return profile.aliases.get(str(sent), sent)
