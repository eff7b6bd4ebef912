"""The DICOM conformance statement for storage, commitment and query/retrieve, from the tables the code runs on."""

from __future__ import annotations

from pydicom.uid import UID

from appliance.dicom.conformance import table
from appliance.network.scu import MODELS
from appliance.store.store import Store
from appliance.studies.fetching import SYNTAXES
from appliance.studies.intake import OUT_OF_RESOURCES
from appliance.studies.storage_classes import STORAGE_CLASSES, TRANSFER_SYNTAXES
from appliance.studies.understanding import DOES_NOT_MATCH_CLASS, NO_IDENTITY

STATUSES = (
    (0x0000, "kept: on disk, synced, and in the index; the same instance again too, in another encoding also, and one "
             "that says something else than what is kept under its UID: that is kept aside and flagged"),
    (OUT_OF_RESOURCES, "the disk is short or can't be written; nothing is kept"),
    (DOES_NOT_MATCH_CLASS, "SOP Class or Instance UID of the data set is not the one announced"),
    (0xC000, "the data set is truncated or malformed"),
    (NO_IDENTITY, "SOP Class, SOP Instance, Study or Series Instance UID is missing or no UID"),
    (0x0122, "the SOP class was not negotiated for this context"),
)  # fmt: skip


def storage_statement(store: Store) -> str:
    """The statement as Markdown."""
    private = store.settings.dicom.private_classes
    classes = [(UID(uid).name, uid) for uid in STORAGE_CLASSES] + [("private, by setting", uid) for uid in private]
    syntaxes = [(number, UID(uid).name, uid) for number, uid in enumerate(TRANSFER_SYNTAXES, 1)]
    parts = [
        "# DICOM conformance statement: storage, storage commitment, query and retrieve\n",
        "## Storage SCP\n\nLevel 2 (full): every attribute is kept, the data set byte for byte as received. A caller "
        "that proposes a compressed transfer syntax first in a context is given that one.\n",
        table(("Status", "When"), [(f"{status:04X}", words) for status, words in STATUSES]),
        "### Transfer syntaxes, in order of preference\n",
        table(("", "Name", "UID"), syntaxes),
        "### SOP classes\n",
        table(("Name", "UID"), classes),
        _commitment(),
        _query_retrieve(),
    ]
    return "\n".join(parts)


def _commitment() -> str:
    return (
        "## Storage Commitment Push Model SCP\n\nFor peers with the permission `commit`. Every instance is read and "
        "its SHA-256 compared before it is promised; what was promised is never purged. The N-EVENT-REPORT is sent "
        "on a new association (we propose the SCP role) when the peer has a host and port, else on that of the "
        "request, by TLS where the peer is called so; it is tried again for 24 hours. An instance asked about twice is "
        "answered once. Failure Reasons: 0112 not here, 0119 another SOP class, 0110 damaged "
        "or kept with two contents.\n"
    )


def _query_retrieve() -> str:
    rows = [(model, *uids) for model, uids in MODELS.items()]
    offered = ", ".join(UID(uid).name for uid in SYNTAXES)
    return (
        "## Query/Retrieve SCU\n\nC-FIND at PATIENT (patient root), STUDY, SERIES and IMAGE level (study root); C-GET, "
        "or C-MOVE to our own AE title where C-GET is not offered or did not bring everything; C-CANCEL of both. "
        f"C-GET proposes: {offered}. A study is whole when the instances that the archive names at IMAGE level have "
        "come, or as many as Number of Series or Study Related Instances says where it names none; the final status "
        "alone is not believed.\n\n" + table(("Model", "FIND", "MOVE", "GET"), rows)
    )
