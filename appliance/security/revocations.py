"""Lists of certificates that their authorities have taken back (CRLs), in ``<data>/tls/revoked.pem``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from appliance.errors import ConflictError, SettingError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.security.certificates import revoked_file, tls_folder, trusted_file
from appliance.security.revoked import as_pem, read_lists
from appliance.store import files
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

List = x509.CertificateRevocationList


@dataclass(frozen=True, kw_only=True)
class RevocationView:
    """What a list says, for people."""

    subject: str  # whose list it is
    revoked: int  # certificates
    not_before: dt.datetime
    not_after: dt.datetime | None  # a newer one is there by then


def lists_in_force(store: Store) -> list[RevocationView]:
    """Raises SettingError when they can't be read."""
    path = revoked_file(store)
    return [_view(each) for each in read_lists(path)] if path.is_file() else []


def late(view: RevocationView) -> str:
    """What to say of a list that a newer one should have replaced; else nothing."""
    if view.not_after is None or view.not_after > now():
        return ""
    return say(
        "The revocation list of %(issuer)s is good until %(not_after)s only: what was taken back since is believed.",
        issuer=view.subject,
        not_after=f"{view.not_after:%Y-%m-%d}",
    )


def _view(each: List) -> RevocationView:
    return RevocationView(
        subject=each.issuer.rfc4514_string(),
        revoked=len(each),
        not_before=each.last_update_utc,
        not_after=each.next_update_utc,
    )


def take(store: Store, path: Path, actor: Actor) -> list[RevocationView]:
    """Put the lists in `path` in force, each in place of an older one of its authority.

    Raises SettingError when one can't be used: no list, a piece of one, or of somebody who is not trusted;
    ConflictError when settings name the lists, or a newer one is in force.
    """
    if store.settings.tls.revoked is not None:
        raise ConflictError(
            say("Settings name the revocation lists: put it into %(revoked)s.", revoked=store.settings.tls.revoked)
        )
    lists, target = read_lists(path), revoked_file(store)
    before = {each.issuer: each for each in (read_lists(target) if target.is_file() else [])}
    trusted = _trusted(store)
    for each in lists:
        _judge(each, trusted, before.get(each.issuer))
    files.make_folder(tls_folder(store))
    files.write_file(target, as_pem(list({**before, **{each.issuer: each for each in lists}}.values())))
    views = [_view(each) for each in lists]
    for view in views:
        _note(store, actor, view)
    return views


def _trusted(store: Store) -> Sequence[x509.Certificate]:
    path = trusted_file(store)
    return x509.load_pem_x509_certificates(path.read_bytes()) if path is not None else []


def _judge(each: List, trusted: Sequence[x509.Certificate], before: List | None) -> None:
    whose = each.issuer.rfc4514_string()
    if any(extension.critical for extension in each.extensions):
        raise SettingError(
            say("The list of %(issuer)s is a part of one, or of others' certificates: ask for the whole.", issuer=whose)
        )
    if not any(_signed(each, authority) for authority in trusted if authority.subject == each.issuer):
        raise SettingError(
            say("The list of %(issuer)s is signed by nobody who is trusted: appliance tls trust FILE.", issuer=whose)
        )
    if before is not None and each.last_update_utc < before.last_update_utc:
        raise ConflictError(
            say(
                "The list of %(issuer)s is older than the one in force, of %(day)s.",
                issuer=whose,
                day=f"{before.last_update_utc:%Y-%m-%d %H:%M} UTC",
            )
        )


def _signed(each: List, authority: x509.Certificate) -> bool:
    try:
        return each.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        return False


def _note(store: Store, actor: Actor, view: RevocationView) -> None:
    detail = {"revoked": view.revoked, "of": view.not_before, "until": view.not_after}
    with store.database.write() as connection:
        record(connection, "revocations-taken", actor, object_kind="certificate", object_id=view.subject, detail=detail)
