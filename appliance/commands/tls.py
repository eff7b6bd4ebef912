"""``appliance tls``: our certificate for DICOM TLS, and whom we trust: init, show, trust, revoked."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from appliance.commands.common import actor, json_option, show, with_store, with_store_or_new
from appliance.security import certificates, revocations
from appliance.security.certificates import CertificateView
from appliance.security.revocations import RevocationView
from appliance.store.store import Store

COLUMNS = ("what", "subject", "names", "not_after", "fingerprint")
LIST_COLUMNS = ("what", "subject", "revoked", "not_after")


@click.group("tls")
def command() -> None:
    """Certificates of DICOM TLS. The TLS port opens at the next start once there is one; later changes need none."""


@command.command("init")
@click.option(
    "--name", "names", multiple=True, help="Host name or address it is for; else what this machine is called."
)
@click.option("--days", type=click.IntRange(1, 3650), default=certificates.DAYS, show_default=True)
@click.option("--replace", is_flag=True, help="Make another one in place of that there is.")
@json_option
@with_store_or_new
def init(store: Store, names: tuple[str, ...], days: int, replace: bool, as_json: bool) -> None:
    """Make a key and a certificate; give the certificate to peers, for them to trust."""
    view = certificates.make_certificate(store, actor(), names=names, days=days, replace=replace)
    show(_row("ours", view), as_json=as_json)
    if not as_json:
        ours = certificates.tls_folder(store) / "certificate.pem"
        click.echo(f"Peers import {ours}. A TLS port that is open uses it from now on; else restart the service.")
        if store.settings.tls.mutual and certificates.trusted_file(store) is None:
            click.echo("It stays closed until a peer is trusted: appliance tls trust FILE.")


@command.command("trust")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@with_store_or_new
def trust(store: Store, file: Path, as_json: bool) -> None:
    """Believe peers by the certificates in FILE (PEM): their own, or of the authority that signed them."""
    views = certificates.trust(store, file, actor())
    show([_row("trusted", view) for view in views], as_json=as_json, columns=COLUMNS)


@command.command("revoked")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@json_option
@with_store
def revoked(store: Store, file: Path, as_json: bool) -> None:
    """Believe nobody by the certificates that FILE names: a revocation list (CRL, PEM or DER) of a trusted authority.

    It takes the place of an earlier one of the same authority. Connections there are go on.
    """
    views = revocations.take(store, file, actor())
    show([_list_row(view) for view in views], as_json=as_json, columns=LIST_COLUMNS)


@command.command("show")
@json_option
@with_store
def show_(store: Store, as_json: bool) -> None:
    """Our certificate, those we trust, and the lists of those taken back."""
    files, trusted = certificates.tls_files(store), certificates.trusted_file(store)
    rows = [_row("ours", view) for view in certificates.read_certificates(files.certificate)[:1]] if files else []
    rows += [_row("trusted", view) for view in certificates.read_certificates(trusted)] if trusted else []
    lists = [_list_row(view) for view in revocations.lists_in_force(store)]
    show([*rows, *lists] if as_json else rows, as_json=as_json, columns=COLUMNS)
    if lists and not as_json:
        show(lists, as_json=False, columns=LIST_COLUMNS)


def _row(what: str, view: CertificateView) -> dict[str, Any]:
    return {"what": what, **asdict(view), "days_left": view.days_left()}


def _list_row(view: RevocationView) -> dict[str, Any]:
    return {"what": "revoked", **asdict(view)}
