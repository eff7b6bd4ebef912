"""The conformance statement says what the code does."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence

import pytest
from pydicom.datadict import dictionary_description
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.status import PRINT_JOB_MANAGEMENT_SERVICE_CLASS_STATUS as KNOWN

from appliance.dicom.commitment_scp import STORAGE_COMMITMENT, CommitmentScp
from appliance.dicom.conformance import CLASS_TABLES, print_statement
from appliance.dicom.media_conformance import ACTION_STATUSES, INFOS, media_statement
from appliance.dicom.media_creation_scp import CREATED, MEDIA_CREATION, MediaCreationScp
from appliance.dicom.print_classes import CLASS_NAMES
from appliance.dicom.server import DicomServer
from appliance.dicom.statuses import STATUSES
from appliance.dicom.storage_conformance import storage_statement
from appliance.dicom.storage_scp import StorageScp
from appliance.film.sheet import GreyPolicy
from appliance.media import burning, obstacles
from appliance.media.profiles import PROFILES
from appliance.printing import printer_verbs
from appliance.printing.first_run import add_first_printer
from appliance.printing.profiles import PrintProfile
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store.store import Store
from tests.dicom.conftest import Door
from tests.dicom.test_odd_requests import PROBES
from tests.studies.arrivals import SCANNER

ANSWERED_ELSEWHERE = {0x0110, 0x0118, 0x0124, 0xC601, 0xC602, 0xC605}
"""Statuses that other tests provoke: malformed data sets, full disks and queues."""


def test_every_status_answered_is_stated_for_that_kind_of_peer() -> None:
    for probe in PROBES:
        tolerant, strict = probe.status("TOLERANT"), probe.status("STRICT")
        assert not STATUSES[tolerant][1].startswith("never"), (probe.name, f"{tolerant:04X}")
        assert not STATUSES[strict][2].startswith("never"), (probe.name, f"{strict:04X}")


def test_every_status_stated_is_tried() -> None:
    tried = {probe.status(calling) for probe in PROBES for calling in ("TOLERANT", "STRICT")} | ANSWERED_ELSEWHERE
    stated = {code for code, (_, tolerant, _) in STATUSES.items() if not tolerant.startswith("never")}
    assert stated <= tried
    assert set(STATUSES) <= set(KNOWN)


def test_the_statement_names_every_class_attribute_status_and_printer(door: Door) -> None:
    text = print_statement(door.store)
    for name in CLASS_NAMES.values():
        assert f"| {name} |" in text
    for attributes in CLASS_TABLES.values():
        for keyword in attributes:
            assert f"| {dictionary_description(keyword)} |" in text
    for code in STATUSES:
        assert f"| {code:04X} |" in text
    for printer in ("film", "colour", "small"):
        assert f"## Printer {printer}\n" in text
    assert "| 14INX17IN HIGH | 8400 x 10200 |" in text, "600 dpi of the small printer"
    assert "CUSTOM\\1" in text and "35CMX43CM" in text


def test_the_statement_names_each_print_profile_with_what_it_gives(door: Door) -> None:
    grey = GreyPolicy(tables={"OLD": tuple(range(0, 65536, 257))})
    profile = PrintProfile(
        name="old imager", printer="small", called_ae_title="DRYPIX", defaults={"Trim": "YES"}, grey=grey
    )
    printer_verbs.add_profile(door.store, profile, SCANNER)
    section = print_statement(door.store).split("## Print profile old imager\n")[1]
    assert "| Chosen by called AE title | DRYPIX |" in section and "| Printer | small |" in section
    assert "| Configuration Information | OLD |" in section and "| Where absent or empty | Trim = YES |" in section
    sizes = next(line for line in section.splitlines() if line.startswith("| Film sizes |"))
    assert sizes in print_statement(door.store).split("## Printer small")[1] or "14INX17IN" in sizes


# --- storage, commitment, media creation: what is claimed is what is negotiated ---


@pytest.fixture
def board(store: Store) -> Iterator[DicomServer]:
    """The whole front door, with a peer that may do everything and one that nobody entered."""
    add_first_printer(store)
    add_peer(store, Peer(name="all", ae_title="ALL", allows=("print", "store", "commit", "media-creation")), SCANNER)
    server = DicomServer(store, [StorageScp(store), CommitmentScp(store), MediaCreationScp(store)])
    server.start()
    yield server
    server.stop(0)


def accepted(server: DicomServer, calling: str, pairs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of (SOP class, transfer syntax) are accepted, each proposed in a context of its own."""
    found: set[tuple[str, str]] = set()
    for start in range(0, len(pairs), 128):
        contexts = [build_context(sop_class, syntax) for sop_class, syntax in pairs[start : start + 128]]
        association = AE(calling).associate("127.0.0.1", server.port, contexts=contexts, ae_title="APPLIANCE")
        found |= {(c.abstract_syntax, c.transfer_syntax[0]) for c in association.accepted_contexts}  # type: ignore[misc]
        if association.is_established:
            association.release()
    return found


def claimed(text: str, heading: str) -> list[str]:
    """The UIDs in the table below a heading."""
    section = text.split(heading)[1].split("\n#", maxsplit=1)[0]
    return re.findall(r"\| ([0-9.]{10,64}) \|", section)


def test_every_storage_class_and_syntax_claimed_is_negotiated(store: Store, board: DicomServer) -> None:
    text = storage_statement(store)
    classes, syntaxes = claimed(text, "### SOP classes"), claimed(text, "### Transfer syntaxes")
    assert len(classes) > 100 and len(syntaxes) > 10
    each_class = [(uid, ExplicitVRLittleEndian) for uid in classes]
    each_syntax = [(classes[0], syntax) for syntax in syntaxes]
    assert accepted(board, "STRANGER", each_class + each_syntax) == set(each_class + each_syntax)
    assert accepted(board, "STRANGER", [("1.2.840.10008.5.1.4.1.1.999", ExplicitVRLittleEndian)]) == set()


@pytest.mark.parametrize("uid", [STORAGE_COMMITMENT, MEDIA_CREATION])
def test_commitment_and_media_creation_are_negotiated_with_whom_the_statement_says(
    store: Store, board: DicomServer, uid: str
) -> None:
    pairs = [(uid, syntax) for syntax in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")]
    assert accepted(board, "ALL", pairs) == set(pairs)
    assert accepted(board, "STRANGER", pairs) == set()
    assert {STORAGE_COMMITMENT: "`commit`", MEDIA_CREATION: "`media-creation`"}[uid] in (
        storage_statement(store) + media_statement(store)
    )


def test_the_media_part_names_every_profile_attribute_and_term(store: Store) -> None:
    text = media_statement(store)
    for name in PROFILES:
        assert f"| {name} |" in text
    for keyword in CREATED[1:]:
        assert dictionary_description(keyword) in text
    assert {info for info, _ in obstacles.REFUSALS.values()} | set(burning.INFO.values()) <= {term for term, _ in INFOS}
    for code in (0xA510, 0xC201, 0xC202, 0xC203):
        assert code in dict(ACTION_STATUSES) and f"| {code:04X} |" in text


def test_every_term_of_execution_status_info_in_the_code_is_stated() -> None:
    """Terms are words in capitals beside "info" in the sources of the media room."""
    command = ["grep", "-rhoE", r"(info[\"']?[:=] ?|info or )\"[A-Z_]{6,}\"", "appliance/media", "--include=*.py"]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    terms = set(re.findall(r'"([A-Z_]+)"', found))
    assert len(terms) > 4 and terms <= {term for term, _ in INFOS}


def test_the_statement_has_all_its_parts(store: Store) -> None:
    text = print_statement(store) + storage_statement(store) + media_statement(store)
    for heading in ("Storage SCP", "Storage Commitment", "Query/Retrieve SCU", "Media Creation", "Media storage"):
        assert f"## {heading}" in text
    assert "GB18030" in text and "ISO 2022 IR 87" in text and "TLS 1.2" in text
