"""The DICOM conformance statement for media creation, media, character sets and security, from the tables in force."""

from __future__ import annotations

from collections.abc import Collection

from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_description
from pydicom.uid import UID

from appliance.dicom.conformance import table
from appliance.dicom.media_creation_scp import CREATED, MEDIA_CREATION, MOST_REFERENCES, NON_DICOM, SYNTAXES
from appliance.jobs.priorities import PRIORITIES
from appliance.media import creation
from appliance.media.discs import CANCELED
from appliance.media.label_layout import layouts
from appliance.media.obstacles import REFUSALS
from appliance.media.ordering import MAXIMUM_COPIES
from appliance.media.profiles import MEDIA, PROFILES, SECTOR
from appliance.network.tls import CIPHERS
from appliance.store.store import Store

CHINESE = ("GB18030", "GBK")
ACTION_STATUSES = (
    (0x0000, "begun, or cancelled"),
    (0x0106, "no such priority, or copies that are no number from 1"),
    (0x0112, "no such request"),
    (0x0123, "an action other than 1 and 2"),
    (creation.ALREADY_BEGUN, "initiate: it was begun before"),
    (creation.ALREADY_ENDED, "cancel: the request has ended"),
    (creation.NOT_INTERRUPTIBLE, "cancel: a disc is being burned"),
    (creation.NOT_CANCELED, "cancel: it changed in this moment"),
)
INFOS = (
    ("NORMAL", "all is well"),
    ("QUEUED", "it waits for its turn, or for a study still being retrieved"),
    ("CHECK_MCD_OP", "it waits for a person here: identity, missing instances, a burner that needs something"),
    ("MCD_BUSY", "the burner is busy; tried again without help"),
    ("MCD_FAILURE", "several pieces were spoiled, or the burner is gone"),
    ("OUT_OF_SUPPLIES", "blank media or ink are needed"),
    ("INSUFFIC_MEMORY", "our disk is short; tried again"),
    ("NO_INSTANCE", "instances are not here, or of another class"),
    ("NOT_SUPPORTED", "the application profile is not ours, its burner makes no such media, or there are several"),
    ("DUPL_REF_INST", "an instance is referenced twice"),
    ("INST_AP_CONFLICT", "the profile takes neither the class nor the transfer syntax of an instance"),
    ("INST_OVERSIZED", "an instance is larger than the medium"),
    ("SET_OVERSIZED", "it does not fit on one medium, and splitting is not allowed"),
    ("DIR_PROC_ERR", "what the directory needs is missing"),
    ("PROC_FAILURE", "another failure of ours"),
    (CANCELED, "cancelled by a person here (a term of our own)"),
)
FAILURES = {
    creation.NO_SUCH_INSTANCE: "not here",
    creation.CLASS_INSTANCE_CONFLICT: "here, of another SOP class",
    creation.PROFILES_CONFLICT: "several profiles in one request",
    creation.PROFILE_NOT_SUPPORTED: "no profile of ours, or none its burner has media for",
    **{code: f"as {info}" for info, code in REFUSALS.values()},
}


def media_statement(store: Store) -> str:
    """The statement as Markdown."""
    title = "# DICOM conformance statement: media creation, media storage, character sets, security\n"
    return "\n".join([title, _media_creation(store), _media_storage(), _character_sets(), _security(store)])


def _media_creation(store: Store) -> str:
    """PS3.4 S.4.2.1: what an SCP of media creation must state."""
    given = ", ".join(dictionary_description(keyword) for keyword in CREATED if keyword != "SpecificCharacterSet")
    styles = ", ".join(name.upper() for name in layouts(store.folder.layouts))
    points = (
        f"Of peers with the permission `media-creation`. Transfer syntaxes: {', '.join(_named(SYNTAXES))}.",
        "N-CREATE keeps the request durably; it needs nothing but Referenced SOP Sequence "
        f"(at most {MOST_REFERENCES:,} items). Kept and given back: {given}.",
        "The instances must have been stored here before; none is fetched. Each is looked for when the request is "
        "begun, not when it is created.",
        "One application profile a request. Without one: that of the copy type in force, which is then told.",
        "Storage Media File-set UID is used, of several volumes on the first; so is Storage Media File-set ID where it "
        "is one, with a number after it where there are several volumes. What is used is told.",
        f"Number of Copies 1 to {MAXIMUM_COPIES}; priorities {', '.join(PRIORITIES)}, MED when absent.",
        "Media are split by study, then series, then instance, unless Allow Media Splitting is NO; each volume is a "
        "whole file-set with its own UID and one item of Referenced Storage Media Sequence. Copies share the UID.",
        f"Include Non-DICOM Objects: {', '.join(NON_DICOM)}; FOR_PATIENT brings pages and pictures, FOR_PHYSICIAN "
        "reports, NO neither; the others are made as for a patient. Include Display Application: our viewer or not.",
        "Label Text stands on the label. Label Using Information Extracted From Instances NO: nothing of patient and "
        f"study does; else both do. Label Style Selection: {styles}; another one is no error. The bar code is our "
        "serial number: Barcode Value and Symbology, Media Disposition and Preserve Composite Instances are kept and "
        "given back, and change nothing.",
        "Nothing is compressed with loss, whatever Allow Lossy Compression says; what was received so stays so.",
        "A request survives a restart in every state. Cancel deletes it (N-GET then fails with 0112); while a disc is "
        f"being burned it is refused ({creation.NOT_INTERRUPTIBLE:04X}).",
        "It is no storage commitment.",
    )
    return "\n".join((
        f"## Media Creation Management SCP ({MEDIA_CREATION})\n",
        "\n".join(f"- {point}" for point in points) + "\n",
        "### N-ACTION\n\n" + table(("Status", "When"), ((f"{code:04X}", words) for code, words in ACTION_STATUSES)),
        "N-CREATE: 0106, 0111 (the UID is taken), 0117, 0120, 0121. N-GET: 0001 (attributes not supported), 0112.\n",
        "### Execution Status Info\n\n" + table(("Term", "When"), INFOS),
        "### Failure Reason\n\n" + table(("Code", "When"), ((f"{code:04X}", why) for code, why in FAILURES.items())),
    ))  # fmt: skip


def _media_storage() -> str:
    profiles = (
        (
            each.name,
            ", ".join(each.kinds),
            "File-set Creator",
            "any, none is decompressed" if each.any_syntax else ", ".join(_named(each.transfer_syntaxes)),
            f"PS3.11 {each.keys}" if each.keys else "",
        )
        for each in PROFILES.values()
    )
    media = (
        (each.name, each.kind, f"{each.capacity // SECTOR:,} sectors" if each.capacity else "as large as need be")
        for each in MEDIA.values()
    )
    head = ("Application profile", "Media", "Role", "Transfer syntaxes besides Explicit VR Little Endian", "Keys")
    return (
        "## Media storage (PS3.10, PS3.11)\n\n"
        + table(head, profiles)
        + "\nAUG- profiles are augmented ones (PS3.11 6): the standard one of that medium, and video as it was sent. "
        "What a profile does not take is decompressed without loss to Explicit VR Little Endian; UIDs stay. "
        "File Meta Information is ours, the preamble zeros. As File-set Reader we take in any file-set, and check any. "
        "Type 1 keys of the directory that an instance lacks are supplied there and told; the instance stays as it "
        "was.\n\n" + table(("Medium", "Kind", "Largest image"), media)
    )


def _named(syntaxes: Collection[str]) -> list[str]:
    return sorted(UID(uid).name for uid in syntaxes) or ["none"]


def _character_sets() -> str:
    named = [name for name in python_encoding if name.startswith(("ISO_IR ", "ISO 2022 IR ")) or name in CHINESE]
    known = ", ".join(sorted(named))
    return (
        "## Character sets\n\n"
        f"Read, with code extensions: the default repertoire, {known}. Data sets keep theirs; each directory record "
        "names its own. Where Specific Character Set is absent or false, the one assumed of the peer serves, else "
        "UTF-8 where that fits. C-FIND is sent in the peer's assumed set where that can say it, else in ISO_IR 192; "
        "what we make ourselves is in ISO_IR 192.\n"
    )


def _security(store: Store) -> str:
    dicom, tls = store.settings.dicom, store.settings.tls
    rows = (
        ("Transport", f"TLS 1.2 and 1.3 on port {dicom.tls_port}, beside plain DICOM; as SCU by setting of the peer"),
        ("TLS 1.2 cipher suites", CIPHERS.replace(":", ", ")),
        ("Peers' certificates", "demanded" if tls.mutual else "not demanded; a peer may be bound to one"),
        ("User identity", "not negotiated"),
        ("Associations", "by AE title, address and certificate; permissions print, store, commit, media-creation"),
        (
            "Audit trail",
            "PS3.15 A.5 messages, sent by syslog where that is set. Extensions: Event Outcome Description is our name "
            "of the event; what is no study, patient, user, node or log is identified by codes of 99APPLIANCE. Films "
            "name their print job: Print Management tells no study or patient",
        ),
        (
            "De-identification",
            "PS3.15 Annex E Basic Application Level Confidentiality Profile; options: Retain Longitudinal Temporal "
            "Information (dates shifted or kept), Retain Device Identity, Retain Patient Characteristics, Clean "
            "Descriptors, by choice of the copy type",
        ),
        ("Media", "no Secure DICOM Media profile; a zip archive may be encrypted (AES-256, outside the standard)"),
    )
    return "## Security\n\n" + table(("", ""), rows)
