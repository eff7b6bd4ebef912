"""Ask archives what they have (C-FIND): any character set, wildcards, dates; and how many instances a study has."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import islice

from pydicom import config
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from appliance.errors import DeviceError, UsageError
from appliance.network import scu
from appliance.network.calling import to_call
from appliance.network.following import Following, never
from appliance.network.limits import DEFAULT_LIMITS, Limits
from appliance.network.requestor import NoAssociationError, NoResponseError
from appliance.network.requestor import Peer as Called
from appliance.security.peer_verbs import get_peer
from appliance.security.peers import Peer
from appliance.store.store import Store
from appliance.studies import elements
from appliance.studies.charset import CharacterSet, character_set, code_page, is_special
from appliance.studies.records import SPECIFIC_CHARACTER_SET
from appliance.words import say

MOST_MATCHES = 1000
PERSON_SECONDS = 30.0
"""How long a page waits for an archive: what is behind a proxy has a minute in all."""
MOST_ANSWERS = 200_000
"""To one query. No series has so many images: who tells more tells them for ever."""
_EXACT = frozenset({"DA", "DT", "TM", "UI"})  # matched by value, range or list (PS3.4 C.2.2.2)
_WHOLE = frozenset({"SL", "SS", "SV", "UL", "US", "UV"})

# PS3.4 C.6.2: the keys we ask for at each level
RETURN_KEYS: dict[str, tuple[str, ...]] = {
    "STUDY": (
        "StudyInstanceUID",
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyID",
        "StudyDescription",
        "ReferringPhysicianName",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    ),
    "SERIES": (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "Modality",
        "SeriesDescription",
        "BodyPartExamined",
        "NumberOfSeriesRelatedInstances",
    ),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
}
RETURN_KEYS["PATIENT"] = ("PatientID", "PatientName", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")


def called(store: Store, peer: Peer) -> Called:
    """Where a peer is called. Raises UsageError when we don't know, SettingError when TLS is not set up."""
    return to_call(store, peer)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an archive told of what fits a query."""

    matches: list[dict[str, str]]  # each keyword -> text
    problem: DeviceError | None = None  # why that is not all there is: it tells so many at most, or broke off


def query(
    store: Store,
    peer_name: str,
    level: str,
    keys: Mapping[str, str],
    *,
    limit: int = MOST_MATCHES,
    seconds: float = float("inf"),
) -> Answer:
    """What an archive has at a level (PATIENT, STUDY, SERIES, IMAGE) that fits `keys` (keyword -> value).

    Values are text, with the standard's wildcards (* ?), date ranges (20240101-20240131) and lists of UIDs. After
    `seconds` no more is waited for. Raises NotFoundError, UsageError, and DeviceError when nothing was told.
    """
    peer = get_peer(store, peer_name)
    end = time.monotonic() + seconds
    following = Following(cancelled=lambda: time.monotonic() > end)
    told: list[dict[str, str]] = []
    try:
        with closing(matches(store, peer, level, keys, following=following)) as found:
            told.extend(islice(found, limit))
    except DeviceError as error:
        if not told:
            raise
        return Answer(matches=told, problem=error)
    return Answer(matches=told)


def matches(
    store: Store,
    peer: Peer,
    level: str,
    keys: Mapping[str, str],
    limits: Limits = DEFAULT_LIMITS,
    following: Following = scu.UNWATCHED,
) -> Generator[dict[str, str]]:
    """The same, one by one; `following` cancels it. Raises DeviceError after the first ones where the rest is lost."""
    wanted = identifier(level, keys, peer.assumed_charset)
    model = "patient" if level == "PATIENT" else "study"
    with closing(scu.find(called(store, peer), wanted, model=model, limits=limits, following=following)) as found:
        for number, match in enumerate(found):
            if number >= MOST_ANSWERS:
                raise NoResponseError(
                    say("%(peer)s gives more than %(count)s answers to one query", peer=peer.name, count=MOST_ANSWERS)
                )
            yield texts(match, peer.assumed_charset)


def identifier(level: str, keys: Mapping[str, str], assumed_charset: str = "") -> Dataset:
    """The data set of a query. Raises UsageError naming a key that is none."""
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword in RETURN_KEYS.get(level, ()):
        setattr(dataset, keyword, None if dictionary_VR(keyword) != "SQ" else [])
    for keyword, value in keys.items():
        if tag_for_keyword(keyword) is None:
            raise UsageError(say("%(keyword)s is no attribute of DICOM.", keyword=keyword), field="key")
        dataset.add(_key(keyword, value))
    if any(not str(value).isascii() for value in keys.values()):
        dataset.SpecificCharacterSet = _set_for("".join(keys.values()), assumed_charset)
    return dataset


def _key(keyword: str, value: str) -> DataElement:
    """A key of a query. Raises UsageError for what can't be its value; of texts and codes any may have wildcards."""
    vr = dictionary_VR(keyword)
    mode = config.RAISE if vr in _EXACT else config.IGNORE
    try:
        given = int(value) if vr in _WHOLE and value else value
        element = DataElement(keyword, vr, given, validation_mode=mode)
        elements.written(deepcopy(element), ["utf8"])  # a name keeps what it was once encoded to
    except (ValueError, TypeError, OverflowError, OSError) as error:  # OSError is pydicom's for a number too large
        text = say("%(keyword)s can't be %(value)s.", keyword=keyword, value=repr(value))
        raise UsageError(text, field="key") from error
    return element


def _set_for(text: str, assumed_charset: str) -> str | list[str]:
    """The set a query is sent in: the one the archive uses, where it can say that; else UTF-8."""
    if assumed_charset and not code_page(assumed_charset):
        encodings = CharacterSet(SpecificCharacterSet=tuple(assumed_charset.split("\\")), source="assumed").encodings
        for encoding in encodings:
            try:
                text.encode(encoding)
                return assumed_charset.split("\\")
            except (UnicodeEncodeError, LookupError):
                continue
    return "ISO_IR 192"


def texts(match: Dataset, assumed_charset: str) -> dict[str, str]:
    """The elements of a match as text, by keyword; sequences are left out."""
    declared = dict(_values(match, [SPECIFIC_CHARACTER_SET], None)).get("SpecificCharacterSet", b"")
    terms = declared.decode("ascii", "replace").split("\\") if declared else None
    tags = [tag for tag in sorted(map(int, match.keys())) if tag != SPECIFIC_CHARACTER_SET]
    raw = dict(_values(match, tags, terms))
    charset = character_set(declared, b"\\".join(raw.values()), "" if code_page(assumed_charset) else assumed_charset)
    name = code_page(assumed_charset) if charset.source == "guessed" else ""
    return {keyword: _text(value, charset, name).strip(" \0") for keyword, value in raw.items()}


def _value(match: Dataset, element: _Named, terms: list[str] | None) -> bytes:
    value = elements.value_bytes(match, int(element.tag), element.VR, terms)
    return elements.number_text(value, element.VR).encode("ascii") if element.VR in elements.NUMBERS else value


def _text(value: bytes, charset: CharacterSet, name: str) -> str:
    return value.decode(name, "replace") if name and is_special(value) else charset.text(value)


def _values(match: Dataset, tags: Iterable[int], terms: list[str] | None) -> Iterator[tuple[str, bytes]]:
    """(keyword, value) of those that can be read and are no sequences: pydicom raises all sorts of things of others."""
    for tag in tags:
        try:
            element = _Named(match, tag)
            found = b"" if element.VR == "SQ" else _value(match, element, terms)
        except Exception:
            continue
        if element.VR != "SQ":
            yield element.keyword or str(element.tag), found


class _Named:
    """An element by tag, its value not yet decoded."""

    def __init__(self, dataset: Dataset, tag: int) -> None:
        self.tag = tag
        self.keyword = keyword_for_tag(tag)
        self.VR = elements.known_vr(tag, getattr(dataset.get_item(tag), "VR", None))


# --- how many ---

IS_LENGTH = 12
"""Characters of an Integer String, at most."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What an archive says it has of a study."""

    count: int | None  # instances; None: it does not say
    by: str  # image-level, series-level, study-level, ""
    instances: dict[str, tuple[str, str]]  # SOP Instance UID -> (Series Instance UID, SOP Class UID); image level only
    series: dict[str, int | None]  # Series Instance UID -> instances; None: it does not say
    study: dict[str, str]  # its answer at study level; empty: it does not know the study
    others: tuple[dict[str, str], ...] = ()  # further ones: it may file the study under two patients


def held(
    store: Store,
    peer: Peer,
    study_instance_uid: str,
    limits: Limits = DEFAULT_LIMITS,
    cancelled: Callable[[], bool] = never,
) -> Held:
    """Ask an archive for a study and its instances. Raises DeviceError when it can't be asked, or is cancelled."""
    following = Following(cancelled=cancelled)

    def ask(level: str, **keys: str) -> Iterator[dict[str, str]]:
        wanted = {"StudyInstanceUID": study_instance_uid, **keys}
        found = matches(store, peer, level, wanted, limits, following)
        return (match for match in found if _is_meant(match, wanted))

    study, *others = _told(ask("STUDY"))[0] or [{}]
    told, is_all = _told(ask("SERIES"))
    series = _series(told) if is_all else {}  # one with a limit may have more of them: its count of the study must do
    instances = _instances(ask, series)
    named = tuple(each for each in others if each.get("StudyInstanceUID"))
    held_of = partial(Held, instances=instances, study=study, others=named)
    if instances:
        of_each = Counter(of for of, _ in instances.values())
        return held_of(count=len(instances), by="image-level", series={uid: of_each[uid] for uid in series})
    counts = series.values()
    if series and None not in counts:
        return held_of(count=sum(count or 0 for count in counts), by="series-level", series=series)
    total = _number(study.get("NumberOfStudyRelatedInstances", ""))
    return held_of(count=total, by="study-level" if total is not None else "", series=series)


def _told(answers: Iterator[dict[str, str]]) -> tuple[list[dict[str, str]], bool]:
    """What an archive tells, and whether that is all. Raises NoAssociationError, NoResponseError."""
    found: list[dict[str, str]] = []
    try:
        found.extend(answers)
    except (NoAssociationError, NoResponseError):
        raise
    except DeviceError:
        if not found:
            raise
        return found, False
    return found, True


def _series(told: Iterable[dict[str, str]]) -> dict[str, int | None]:
    """Series Instance UID -> instances, each series once: some archives tell one for each place it is kept in."""
    found: dict[str, int | None] = {}
    for each in told:
        uid = each.get("SeriesInstanceUID", "")
        count = _number(each.get("NumberOfSeriesRelatedInstances", "")) if uid else None
        found[uid] = max((known for known in (count, found.get(uid)) if known is not None), default=None)
    return found


def names_one(uid: str) -> bool:
    """Whether a UID is one; an archive may take none, a wildcard or a list for all it has (PS3.4 C.2.2.2).

    Digits and points will do: archives hold what breaks the rules of PS3.5, and it can be fetched.
    """
    return re.fullmatch(r"[0-9.]{1,64}", uid) is not None


def _is_meant(match: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Whether a match is of what was asked for: some archives pass over keys they don't understand."""
    return all(match.get(keyword, "") in ("", uid) for keyword, uid in wanted.items())


def _instances(
    ask: Callable[..., Iterator[dict[str, str]]], series: Mapping[str, int | None]
) -> dict[str, tuple[str, str]]:
    """Each instance, where the archive names them all; {} where counts must do."""
    found: dict[str, tuple[str, str]] = {}
    for uid, count in series.items():
        try:
            images = [match for match in ask("IMAGE", SeriesInstanceUID=uid) if match.get("SOPInstanceUID")]
        except DeviceError:
            return {}  # it has no image level
        if not images and count != 0:
            return {}  # it has, and yet it is silent about this series
        found.update({match["SOPInstanceUID"]: (uid, match.get("SOPClassUID", "")) for match in images})
    return found


def _number(text: str) -> int | None:
    """A count; None where it is none, or more than an Integer String holds (PS3.5 IS): an archive that says nothing."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= IS_LENGTH else None
    return number if number is None or number < 1 << 31 else None
