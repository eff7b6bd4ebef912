"""Whether a study is whole: compared with what its archive has, when it was fetched and again when a disc is made."""

from __future__ import annotations

import logging
import time
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from appliance.errors import ApplianceError
from appliance.network.limits import DEFAULT_LIMITS
from appliance.security.peer_verbs import get_peer
from appliance.security.peers import Peer
from appliance.store import instances, studies
from appliance.store.store import Store
from appliance.studies import pacs
from appliance.studies.attached import count_papers
from appliance.words import say

MOST_MISSING = 1000
SOON = replace(DEFAULT_LIMITS, connect_timeout=5.0, response_timeout=20.0)
"""How long a person waits for an archive that is asked again."""
ASK_SECONDS = 120.0
"""For all its answers, series by series: one that answers for ever holds up no disc."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class News:
    """What an archive says of a study that came from it."""

    differs: tuple[str, ...] = ()  # another name, ID or birth date there now; or it does not know the study any more
    missing: str = ""  # what it has and we have not; stands with the study, too
    unasked: str = ""  # why it could not be asked


def ask_again(store: Store, study_instance_uid: str) -> News:
    """A study that came from an archive is asked about again; nothing is new when all is there as here.

    Called when a disc of it is planned. What is missing stands with the study afterwards. Takes seconds at most.
    """
    with store.database.read() as connection:
        row = studies.get(connection, study_instance_uid)
    if row is None or not row.retrieved_from:
        return News()
    try:
        peer = get_peer(store, row.retrieved_from)
        end = time.monotonic() + ASK_SECONDS
        found = pacs.held(store, peer, study_instance_uid, SOON, cancelled=lambda: time.monotonic() > end)
    except ApplianceError as error:
        why = say(
            "%(peer)s could not be asked about study %(uid)s again: %(why)s",
            peer=row.retrieved_from,
            uid=study_instance_uid,
            why=error,
        )
        log.warning("%s", why)
        return News(unasked=why)
    if not found.study:
        gone = say("%(peer)s does not know study %(uid)s any more", peer=peer.name, uid=study_instance_uid)
        return News(differs=(gone,))
    known = row.incomplete_reason if found.count is None else ""  # nothing is told against it
    missing = keep_what_is_known(store, study_instance_uid, peer.name, found, known)
    told = (found.study, *found.others)
    differs = dict.fromkeys(text for each in told for text in _identity_differs(row, each, peer))
    return News(differs=tuple(differs), missing=missing)


def _identity_differs(row: studies.Study, told: dict[str, str], peer: Peer) -> list[str]:
    name, told_name = row.patient_name, told.get("PatientName", "")
    pairs = [
        (say("Patient ID"), row.patient_id, told.get("PatientID", "")),
        (say("birth date"), row.patient_birth_date, told.get("PatientBirthDate", "")),
        (say("sex"), row.patient_sex, told.get("PatientSex", "")),
    ]
    differing = [(say("patient's name"), name, told_name)] if not _same_name(name, told_name) else []
    differing += [(what, here, there) for what, here, there in pairs if there and _bare(here) != _bare(there)]
    return [
        say(
            "%(peer)s has another %(what)s for study %(uid)s now: %(there)s, here %(here)s",
            peer=peer.name,
            what=what,
            uid=row.study_instance_uid,
            there=there,
            here=here,
        )
        for what, here, there in differing
    ]


def _same_name(here: str, there: str) -> bool:
    """One of the groups of a name (alphabetic, ideographic, phonetic) is the same, or there is nothing to compare."""
    first, second = ({_bare(group) for group in name.split("=")} - {""} for name in (here, there))
    return not second or bool(first & second)


def _bare(text: str) -> str:
    """Without case, padding and empty components."""
    parts = unicodedata.normalize("NFKC", text).casefold().split("^")
    return "^".join(" ".join(part.split()) for part in parts if part.strip())


def keep_what_is_known(
    store: Store, study_instance_uid: str, peer_name: str, found: pacs.Held, failed: str = ""
) -> str:
    """Note with a study what the archive has and we have not; that in words, "" when nothing is missing.

    `failed` is what went wrong on the way: it counts where the archive did not name its instances one by one.
    """
    with store.database.write("study") as connection:
        row = studies.get(connection, study_instance_uid)
        if row is None:
            return failed or say("nothing of it came")
        here = instances.uids_of_study(connection, study_instance_uid)
        missing = sorted(set(found.instances) - here)
        if found.count is None:  # it tells nothing, perhaps only now: what it told before holds
            found = replace(found, count=row.expected, by=row.expected_by)
            missing = [uid for uid in row.missing if uid not in here]
        elif not found.instances:
            found = replace(found, count=found.count + count_papers(connection, study_instance_uid))
        is_counted = found.count is not None and not found.instances and len(here) < found.count
        words = _missing_words(len(here), len(missing), found) or ("" if found.instances else failed)
        studies.change(
            connection,
            study_instance_uid,
            expected=found.count,
            expected_by=found.by,
            missing=missing[:MOST_MISSING],
            incomplete_reason="" if is_counted else words,  # what is counted is said by what is here now
            retrieved_from=peer_name,
        )
    return f"{words}; {failed}" if words and failed and words != failed else words


def keep_expected(store: Store, study_instance_uid: str, peer_name: str, found: pacs.Held) -> None:
    """Note with a study that is being fetched how many instances it should have."""
    with store.database.write("study") as connection:
        expected = found.count and found.count + count_papers(connection, study_instance_uid)
        values = {"expected": expected, "expected_by": found.by, "retrieved_from": peer_name}
        studies.change(connection, study_instance_uid, **values)


def keep_as_half(store: Store, study_instance_uid: str, peer_name: str, expected: int) -> None:
    """A fetch that knew how many instances there are was broken off, and its archive can't be asked now."""
    with store.database.write("study") as connection:
        row = studies.get(connection, study_instance_uid)
        expected += count_papers(connection, study_instance_uid)
        if row is not None and row.instances < expected:
            values = {"expected": expected, "expected_by": "retrieval", "retrieved_from": peer_name}
            studies.change(connection, study_instance_uid, incomplete_reason="", **values)


def one_more(connection: Connection, study_instance_uid: str) -> None:
    """A paper was added to a study: it stands for none of the images its archive has counted."""
    row = studies.get(connection, study_instance_uid)
    if row is not None and row.expected is not None:
        studies.change(connection, study_instance_uid, expected=row.expected + 1)


def count_again(store: Store, uids: Collection[str]) -> None:
    """Instances of these studies have come: of one that lacks some, what is said of it is brought up to date.

    The last of an archive that died may be made durable after its retrieval has ended; others may be sent by hand.
    """
    with store.database.read() as connection:
        lacking = [row.study_instance_uid for row in studies.get_many(connection, uids) if row.missing]
    for uid in lacking:
        with store.database.write("study") as connection:
            _count_again(connection, uid)


def _count_again(connection: Connection, study_instance_uid: str) -> None:
    row = studies.get(connection, study_instance_uid)
    if row is None:
        return
    here = instances.uids_of_study(connection, study_instance_uid)
    missing = [uid for uid in row.missing if uid not in here]
    if len(missing) == len(row.missing):
        return
    is_whole_list = len(row.missing) < MOST_MISSING
    count = len(missing) if is_whole_list else (row.expected or 0) - len(here)
    words = _are_missing(count, row.expected) if missing else ""
    studies.change(connection, study_instance_uid, missing=missing, incomplete_reason=words)


def lacking_of_series(store: Store, study_instance_uid: str, found: pacs.Held, series: Collection[str]) -> int | None:
    """How many instances of some series of a study are not here; None: the archive does not say how many there are."""
    if not set(series) <= set(found.series):
        return None
    with store.database.read() as connection:
        if found.instances:
            here = instances.uids_of_study(connection, study_instance_uid)
            return sum(of in series and uid not in here for uid, (of, _) in found.instances.items())
        counts = instances.counts_of_series(connection, study_instance_uid)
    told = {uid: found.series.get(uid) for uid in series}
    return None if None in told.values() else sum(max(0, (told[uid] or 0) - counts.get(uid, 0)) for uid in told)


def lacks(store: Store, study_instance_uid: str, found: pacs.Held, series: Collection[str] = ()) -> bool:
    """Whether something of a study, or of some of its series, may not be here."""
    if series:
        return lacking_of_series(store, study_instance_uid, found, series) != 0
    with store.database.read() as connection:
        here = instances.uids_of_study(connection, study_instance_uid)
        papers = count_papers(connection, study_instance_uid)
    if found.instances:
        return bool(set(found.instances) - here)
    return found.count is None or len(here) - papers < found.count


def _missing_words(here: int, missing: int, found: pacs.Held) -> str:
    if missing:
        return _are_missing(missing, found.count)
    if found.count is not None and here < found.count and not found.instances:
        return _have_come(here, found.count)
    return ""


def _are_missing(missing: int, count: int | None) -> str:
    return say("%(missing)s of %(count)s instances are missing", missing=missing, count=count)


def _have_come(here: int, expected: int) -> str:
    return say("%(here)s of %(count)s instances have come", here=here, count=expected)
