"""Every status of print and when it is answered, for the conformance statement; tests hold the code to it."""

from __future__ import annotations

SAME = "the same"

# PS3.7 Annex C and PS3.4 tables H.4-3 to H.4-14: code -> (meaning, when for a tolerant peer, when for a strict one)
STATUSES: dict[int, tuple[str, str, str]] = {
    0x0000: ("Success", "done as asked; forgiven oddities are logged", "done as asked"),
    0x0105: ("No such attribute", "never", "an attribute the table hasn't, or that N-SET may not change"),
    0x0106: ("Invalid attribute value", "a mandatory value we can't use, a reference to no LUT, a bad image", SAME
             + "; also every optional value we can't use"),
    0x0107: ("Attribute list warning", "an unknown attribute, ignored; N-GET: beside the rest", "N-GET only"),
    0x0110: ("Processing failure", "a malformed data set, or a fault of ours", SAME + "; an earlier film box"),
    0x0111: ("Duplicate SOP instance", "a second film session, a UID used twice", SAME),
    0x0112: ("No such SOP instance", "the instance is not of this association", SAME),
    0x0116: ("Attribute value out of range", "an optional value we can't use: the default is used", "never"),
    0x0117: ("Invalid SOP instance", "a UID that is none, a film box for no or another session", SAME),
    0x0118: ("No such SOP class", "a class UID that is none", SAME),
    0x0119: ("Class-instance conflict", "an instance of another class", SAME
             + "; film box and session of different Meta classes"),
    0x0120: ("Missing attribute", "a mandatory attribute is absent", SAME + "; a film box without its session"),
    0x0121: ("Missing attribute value", "a mandatory attribute is empty", SAME),
    0x0122: ("SOP class not supported", "a class not known, not negotiated, or that nobody may create", SAME
             + "; a class under another's context"),
    0x0123: ("No such action type", "an action other than 1, Print", SAME),
    0x0124: ("Not authorised", "the peer may not print", SAME),
    0x0211: ("Unrecognised operation", "a service the class hasn't", SAME),
    0x0213: ("Resource limitation", "more film boxes or image boxes than may be", SAME),
    0xB600: ("Memory allocation not supported", "Memory Allocation above 0", SAME),
    0xB601: ("Collation not supported", "never: sessions are collated", SAME),
    0xB602: ("Session has empty films", "they are left out; all empty: nothing is printed", SAME),
    0xB603: ("Film is empty", "nothing is printed", SAME),
    0xB604: ("Image demagnified", "more pixels than its box", SAME),
    0xB605: ("Density out of range", "the medium's limit is used", SAME),
    0xB609: ("Image cropped", "by request, or larger than its box at the size requested", "by request"),
    0xB60A: ("Image decimated", "by request", SAME),
    0xC600: ("Session has no film boxes", "N-ACTION", SAME),
    0xC601: ("Session: queue full", "queue or disk is full", SAME),
    0xC602: ("Film box: queue full", "queue or disk is full", SAME),
    0xC603: ("Image larger than its box", "FAIL requested; DECIMATE with magnification NONE", SAME
             + "; larger at the size requested, or with magnification NONE"),
    0xC605: ("No memory for the image", "the disk is short, or the image larger than we take", SAME),
    0xC613: ("Combined image larger than its box", "never: there are no combined images", SAME),
    0xC616: ("Film box before not printed", "never: film sessions are printed as a whole", SAME),
}  # fmt: skip
