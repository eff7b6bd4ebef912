"""Checks of certificates: the page's; of DICOM TLS ours, those trusted, and who can read the key."""

from __future__ import annotations

from appliance.errors import SettingError
from appliance.network.tls import server_context
from appliance.security import certificates as tls
from appliance.security import revocations
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.upkeep.finding import Finding, error, fine, warning
from appliance.words import say, say_many

ENDING_DAYS = 30
"""Certificates that end so soon are told about."""


def certificates(store: Store) -> list[Finding]:
    return [*_of_the_page(store), *_of_dicom(store)]


def _of_the_page(store: Store) -> list[Finding]:
    path = store.settings.web.certificate
    if path is None:
        return []
    try:
        views = tls.read_certificates(path)[:1]
    except SettingError as problem:
        advice = say("Put the page's certificate there, or correct web.certificate.")
        return [warning("certificates", str(problem), advice)]
    advice = say("Put another into %(path)s, its key beside it, and reload the proxy.", path=path)
    return [_expiry(say("The page's certificate"), view, advice) for view in views]


def _of_dicom(store: Store) -> list[Finding]:
    files = tls.tls_files(store)
    if files is None:
        return [fine("certificates", say("DICOM TLS is off: there is no certificate (appliance tls init makes one)."))]
    try:
        server_context(files.certificate, files.key, files.authorities, revoked=tls.revoked_file(store))
    except SettingError as problem:
        text = say("The TLS port stays closed: %(why)s.", why=problem)
        return [error("certificates", text, say("Correct the file, then restart the service."))]
    renew = say("Make or bring another: appliance tls init --replace, then give it to the peers.")
    ours = [_expiry(say("Our certificate"), view, renew) for view in tls.read_certificates(files.certificate)[:1]]
    if files.authorities is not None:
        trusted = tls.without_replaced(tls.read_certificates(files.authorities))
        anew = say("Ask the peer's owner for its new one, then appliance tls trust FILE.")
        return [
            *ours,
            *[
                _expiry(say("The trusted certificate %(subject)s", subject=view.subject), view, anew)
                for view in trusted
            ],
            *_key(files),
            *[_list(view) for view in revocations.lists_in_force(store)],
        ]
    if store.settings.tls.mutual:
        text = say("The TLS port stays closed: peers must show a certificate, and none is trusted yet.")
        advice = say("appliance tls trust FILE for each peer or its authority, or set tls.mutual = false.")
        return [*ours, error("certificates", text, advice), *_key(files)]
    return [*ours, *_key(files)]


def _list(view: revocations.RevocationView) -> Finding:
    text = say_many(
        "The revocation list of %(issuer)s refuses %(number)s certificate.",
        "The revocation list of %(issuer)s refuses %(number)s certificates.",
        view.revoked,
        issuer=view.subject,
    )
    late = revocations.late(view)
    advice = say("Ask the authority for its new list, then appliance tls revoked FILE.")
    return warning("certificates", late, advice) if late else fine("certificates", text)


def _expiry(what: str, view: tls.CertificateView, advice: str) -> Finding:
    if view.short:
        return error("certificates", tls.too_short(view.subject), advice)
    if view.not_before > now():
        text = say("%(what)s is good only from %(day)s on.", what=what, day=f"{view.not_before:%Y-%m-%d %H:%M} UTC")
        return error("certificates", text, say("Set the clock right, if it is wrong (timedatectl), or wait."))
    days = view.days_left()
    until = {"what": what, "not_after": f"{view.not_after:%Y-%m-%d}"}
    text = say_many(
        "%(what)s is good until %(not_after)s (%(number)s day).",
        "%(what)s is good until %(not_after)s (%(number)s days).",
        days,
        **until,
    )
    if days < 0:
        return error(
            "certificates",
            say("%(what)s ended on %(not_after)s.", **until),
            advice,
        )
    return warning("certificates", text, advice) if days < ENDING_DAYS else fine("certificates", text)


def _key(files: tls.TlsFiles) -> list[Finding]:
    if files.key.stat().st_mode & 0o077:
        return [
            warning("certificates", say("Others can read the key %(key)s.", key=files.key), f"chmod 0600 {files.key}")
        ]
    return []
