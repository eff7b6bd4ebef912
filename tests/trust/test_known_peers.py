"""Who is let in: by AE title, address and TLS client certificate, tried with DCMTK."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.config import Settings
from appliance.dicom.server import DicomServer
from appliance.errors import ConflictError, SettingError, UsageError
from appliance.events import Actor
from appliance.network.calling import to_call
from appliance.network.scu import echo
from appliance.printing.first_run import add_first_printer
from appliance.security import certificates, revocations
from appliance.security.peer_verbs import add_peer, set_peer
from appliance.security.peers import Peer, find_peer
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from appliance.upkeep import certificate_checks
from appliance.upkeep.finding import Finding
from appliance.upkeep.notices import problems
from tests.support.ports import free_port
from tests.trust.conftest import Identity


@contextmanager
def appliance(folder: Path, clerk: Actor, *, trusted: Identity | None = None, **sections: Any) -> Iterator[Store]:
    """An appliance with a certificate of its own."""
    values: dict[str, Any] = {"dicom": {"ports": [0], "tls_port": free_port()}, "storage": {"reserve_percent": 0}}
    for section, given in sections.items():
        values[section] = values.get(section, {}) | given
    store = open_store(folder, settings=Settings.model_validate(values))
    add_first_printer(store)
    if store.settings.tls.certificate is None:
        certificates.make_certificate(store, clerk)
    if trusted is not None:
        certificates.trust(store, trusted.certificate, clerk)
    yield store
    store.close()


@contextmanager
def serving(store: Store) -> Iterator[DicomServer]:
    server = DicomServer(store)
    server.start()
    try:
        yield server
    finally:
        server.stop(0)


def echoes(port: int, *options: str | Path, ae: str = "CT1") -> bool:
    command = ["echoscu", "-q", "-aet", ae, "-aec", "APPLIANCE", "-to", "5", *options, "127.0.0.1", str(port)]
    return subprocess.run(command, env={**os.environ, "TCP_NODELAY": "1"}, timeout=30, check=False).returncode == 0


def by_tls(store: Store, peer: Identity | None) -> list[str | Path]:
    """DCMTK's options for TLS with a certificate, trusting ours."""
    ours = certificates.tls_folder(store) / "certificate.pem"
    who: list[str | Path] = ["+tls", peer.key, peer.certificate] if peer else ["+tla"]
    return [*who, "+cf", ours]


def test_a_trusted_modality_echoes_over_tls_and_others_do_not(
    tmp_path: Path, clerk: Actor, ct: Identity, stranger: Identity
) -> None:
    with appliance(tmp_path, clerk, trusted=ct) as store, serving(store):
        port = store.settings.dicom.tls_port
        assert echoes(port, *by_tls(store, ct))
        assert not echoes(port, *by_tls(store, stranger))
        assert not echoes(port, *by_tls(store, None))
        assert not echoes(port)  # plain DICOM on the TLS port


def test_the_tls_port_stays_closed_while_nobody_is_trusted(tmp_path: Path, clerk: Actor) -> None:
    with appliance(tmp_path, clerk) as store, serving(store) as server:
        assert echoes(server.port)
        assert not echoes(store.settings.dicom.tls_port, *by_tls(store, None))


@pytest.mark.parametrize("spoilt", ["key of another", "encrypted key", "no key", "no certificate", "no authorities"])
def test_files_of_tls_that_can_t_be_used_close_its_port_alone_and_are_said(
    tmp_path: Path, clerk: Actor, ct: Identity, stranger: Identity, spoilt: str
) -> None:
    with appliance(tmp_path, clerk, trusted=ct) as store:
        folder = certificates.tls_folder(store)
        assert about_tls(store) == []
        if spoilt == "key of another":
            shutil.copy(stranger.key, folder / "key.pem")
        elif spoilt == "encrypted key":
            key, out = folder / "key.pem", folder / "encrypted.pem"
            line = ["openssl", "rsa", "-in", key, "-aes256", "-passout", "pass:hello", "-out", out]
            subprocess.run(line, check=True, capture_output=True)
            out.rename(key)
        elif spoilt == "no key":
            (folder / "key.pem").unlink()
        else:
            name = "certificate.pem" if spoilt == "no certificate" else "authorities.pem"
            (folder / name).write_text("nothing")
        with serving(store) as server:
            assert echoes(server.port), "who calls without TLS is served"
            assert not echoes(store.settings.dicom.tls_port, *by_tls(store, ct))
        assert "The TLS port stays closed" in about_tls(store)[0].text


def test_certificates_are_renewed_without_a_restart(
    tmp_path: Path, clerk: Actor, ct: Identity, stranger: Identity
) -> None:
    with appliance(tmp_path, clerk, trusted=ct) as store, serving(store):
        port, before = store.settings.dicom.tls_port, tmp_path / "before.pem"
        shutil.copy(certificates.tls_folder(store) / "certificate.pem", before)
        assert not echoes(port, *by_tls(store, stranger))
        certificates.trust(store, stranger.certificate, clerk)
        assert echoes(port, *by_tls(store, stranger)), "trusted while it ran"
        certificates.make_certificate(store, clerk, replace=True)
        assert echoes(port, *by_tls(store, ct)), "the new one is shown"
        assert not echoes(port, "+tls", ct.key, ct.certificate, "+cf", before), "the old one is not"
        shutil.copy(stranger.key, certificates.tls_folder(store) / "key.pem")
        assert echoes(port, *by_tls(store, ct)), "what can't be used changes nothing"


def about_tls(store: Store) -> list[Finding]:
    return [each for each in certificate_checks.certificates(store) if each.level == "error"]


def test_without_mutual_tls_a_peer_may_come_without_certificate(tmp_path: Path, clerk: Actor) -> None:
    with appliance(tmp_path, clerk, tls={"mutual": False}) as store, serving(store):
        assert echoes(store.settings.dicom.tls_port, *by_tls(store, None))


def test_a_peer_with_a_fingerprint_must_show_that_certificate(
    tmp_path: Path, clerk: Actor, ct: Identity, stranger: Identity
) -> None:
    with appliance(tmp_path, clerk, trusted=ct, tls={"mutual": False}) as store:
        certificates.trust(store, stranger.certificate, clerk)
        add_peer(store, Peer(name="ct", ae_title="CT1", certificate=ct.fingerprint), clerk)
        with serving(store) as server:
            port = store.settings.dicom.tls_port
            assert echoes(port, *by_tls(store, ct))
            assert not echoes(port, *by_tls(store, stranger)), "another's certificate"
            assert not echoes(port, *by_tls(store, None)), "no certificate"
            assert not echoes(server.port), "no TLS"
            assert echoes(port, *by_tls(store, stranger), ae="OTHER"), "a peer without a fingerprint"


@pytest.mark.parametrize(
    ("ae", "network", "let_in"),
    [("CT1", "127.0.0.0/8", True), ("CT2", "127.0.0.0/8", False), ("CT1", "192.0.2.0/24", False)],
)
def test_strangers_are_refused_by_setting(tmp_path: Path, clerk: Actor, ae: str, network: str, let_in: bool) -> None:
    with appliance(tmp_path, clerk, dicom={"unknown_peers": "refuse"}) as store:
        add_peer(store, Peer(name="ct", ae_title="CT1", address=network), clerk)
        with serving(store) as server:
            assert echoes(server.port, ae=ae) is let_in


def test_our_certificate_and_key_are_what_openssl_expects(tmp_path: Path, clerk: Actor) -> None:
    with appliance(tmp_path, clerk) as store:
        folder = certificates.tls_folder(store)
        text = subprocess.run(
            ["openssl", "x509", "-in", folder / "certificate.pem", "-noout", "-text"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert "CA:FALSE" in text
        assert "DNS:localhost" in text
        assert "IP Address:127.0.0.1" in text
        assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("certificate", ["nonsense", "ab" * 20, " ", "SHA256 Fingerprint=" + "AB:" * 31 + "AB"])
def test_a_fingerprint_no_certificate_can_have_is_refused(store: Store, clerk: Actor, certificate: str) -> None:
    with pytest.raises(UsageError, match="SHA-256"):
        add_peer(store, Peer(name="ct", ae_title="CT1", certificate=certificate), clerk)
    add_peer(store, Peer(name="ct", ae_title="CT1", certificate="AB:" * 31 + "AB"), clerk)


@pytest.mark.parametrize("host", ["[::1]", "a b", "host:104", "http://host", " host", "a\nb", "\udcff", "a..b"])
def test_what_is_no_host_is_refused(store: Store, clerk: Actor, host: str) -> None:
    with pytest.raises(UsageError, match="no host name or address"):
        add_peer(store, Peer(name="pacs", ae_title="PACS", host=host, port=104), clerk)


@pytest.mark.parametrize("host", ["::1", "fe80::1%eth0", "192.0.2.7", "pacs_1.hospital.example", "größe.example"])
def test_what_is_a_host_is_taken(store: Store, clerk: Actor, host: str) -> None:
    add_peer(store, Peer(name="pacs", ae_title="PACS", host=host, port=104), clerk)


def test_of_two_peers_that_call_alike_the_second_is_refused(store: Store, clerk: Actor) -> None:
    add_peer(store, Peer(name="room1", ae_title="CT", address="192.0.2.0/24"), clerk)
    add_peer(store, Peer(name="room2", ae_title="CT", address="192.0.2.7"), clerk)  # the closer one: it is found
    with pytest.raises(ConflictError, match="room1"):
        add_peer(store, Peer(name="room3", ae_title="CT ", address="192.0.2.9/24"), clerk)
    with pytest.raises(ConflictError, match="room2"):
        set_peer(store, Peer(name="room1", ae_title="CT", address="192.0.2.7"), clerk)


def test_two_archives_may_bear_the_ae_title_they_were_delivered_with(store: Store, clerk: Actor) -> None:
    add_peer(store, Peer(name="north", ae_title="ORTHANC", host="192.0.2.7", port=4242), clerk)
    add_peer(store, Peer(name="south", ae_title="ORTHANC", host="192.0.2.8", port=4242), clerk)


def test_spaces_beside_an_ae_title_mean_nothing() -> None:
    """PS3.5 6.2: an AE title that was pasted with a space is who calls without."""
    assert find_peer([Peer(name="ct", ae_title=" CT1 ")], "CT1", "192.0.2.7") is not None


def by_openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


def signed_by(authority: Identity, folder: Path) -> Identity:
    """A modality's certificate that a hospital's authority signed."""
    made, request = Identity(folder / "leaf.pem", folder / "leaf.key"), folder / "leaf.csr"
    by_openssl(*("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=leaf", "-keyout", made.key, "-out", request))
    by_openssl(
        *("x509", "-req", "-in", request, "-CA", authority.certificate, "-CAkey", authority.key),
        *("-CAcreateserial", "-days", "2", "-out", made.certificate),
    )
    return made


def test_a_modality_is_believed_by_its_own_certificate_whoever_signed_it(
    tmp_path: Path, clerk: Actor, stranger: Identity
) -> None:
    leaf = signed_by(stranger, tmp_path)
    with appliance(tmp_path, clerk, trusted=leaf) as store, serving(store):
        assert echoes(store.settings.dicom.tls_port, *by_tls(store, leaf))
        assert not echoes(store.settings.dicom.tls_port, *by_tls(store, stranger)), "its authority is not trusted"


def test_why_a_certificate_is_not_believed_is_logged(
    tmp_path: Path, clerk: Actor, ct: Identity, stranger: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    with appliance(tmp_path, clerk, trusted=ct) as store, serving(store):
        assert not echoes(store.settings.dicom.tls_port, *by_tls(store, stranger))
    assert "TLS handshake failed: self-signed certificate" in caplog.text


def test_a_certificate_with_a_key_too_short_for_tls_is_not_trusted(tmp_path: Path, clerk: Actor) -> None:
    short = tmp_path / "short.pem"
    by_openssl(
        *("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=short"),
        *("-keyout", tmp_path / "short.key", "-out", short),
    )
    with appliance(tmp_path / "data", clerk) as store:
        with pytest.raises(SettingError, match="CN=short is too short for TLS"):
            certificates.trust(store, short, clerk)
        shutil.copy(short, certificates.tls_folder(store) / "authorities.pem")  # trusted before that was looked at
        assert "CN=short is too short for TLS" in about_tls(store)[0].text


def test_a_certificate_that_is_not_good_yet_is_said(
    tmp_path: Path, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with appliance(tmp_path, clerk, tls={"mutual": False}) as store:
        assert about_tls(store) == []
        monkeypatch.setattr(certificate_checks, "now", lambda: now() - dt.timedelta(days=2))
        assert "Our certificate is good only from" in about_tls(store)[0].text


def revoking(authority: Identity, folder: Path, *taken_back: Identity, late: bool = False) -> Path:
    """The list by which `authority` takes certificates back, as `openssl ca` makes it."""
    folder.mkdir(exist_ok=True)
    settings, made = folder / "ca.cnf", folder / "crl.pem"
    (folder / "index").touch()
    settings.write_text(f"[ca]\ndefault_ca=x\n[x]\ndatabase={folder}/index\ndefault_md=sha256\n")
    by = ["ca", "-config", settings, "-cert", authority.certificate, "-keyfile", authority.key]
    for leaf in taken_back:
        by_openssl(*by, "-revoke", leaf.certificate)
    until = ["-crl_lastupdate", "20250101000000Z", "-crl_nextupdate", "20250102000000Z"] if late else ["-crldays", "2"]
    by_openssl(*by, "-gencrl", *until, "-out", made)
    return made


def test_a_certificate_that_was_taken_back_is_believed_no_more(
    tmp_path: Path, clerk: Actor, ct: Identity, stranger: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "other").mkdir()
    lost, kept = signed_by(stranger, tmp_path), signed_by(stranger, tmp_path / "other")
    with appliance(tmp_path / "data", clerk, trusted=stranger) as store, serving(store):
        certificates.trust(store, ct.certificate, clerk)
        port = store.settings.dicom.tls_port
        assert echoes(port, *by_tls(store, lost))
        revocations.take(store, revoking(stranger, tmp_path / "ca", lost), clerk)
        assert not echoes(port, *by_tls(store, lost)), "without a restart"
        assert "TLS handshake failed: certificate revoked" in caplog.text
        assert echoes(port, *by_tls(store, kept))
        assert echoes(port, *by_tls(store, ct)), "who is believed by its own certificate has no list"
        assert about_tls(store) == []


def test_a_peer_that_shows_a_certificate_taken_back_is_not_called(
    tmp_path: Path, clerk: Actor, stranger: Identity
) -> None:
    lost = signed_by(stranger, tmp_path)
    with (
        appliance(
            tmp_path / "pacs", clerk, tls={"certificate": lost.certificate, "key": lost.key, "mutual": False}
        ) as pacs,
        serving(pacs),
        appliance(tmp_path / "data", clerk, trusted=stranger) as store,
    ):
        peer = Peer(name="pacs", ae_title="APPLIANCE", host="127.0.0.1", port=pacs.settings.dicom.tls_port, tls=True)
        assert echo(to_call(store, peer)).ok
        revocations.take(store, revoking(stranger, tmp_path / "ca", lost), clerk)
        refused = echo(to_call(store, peer))
        assert not refused.ok
        assert "certificate revoked" in refused.message


def test_a_list_that_is_late_goes_on_refusing_and_is_told(tmp_path: Path, clerk: Actor, stranger: Identity) -> None:
    lost = signed_by(stranger, tmp_path)
    with appliance(tmp_path / "data", clerk, trusted=stranger) as store, serving(store):
        revocations.take(store, revoking(stranger, tmp_path / "ca", lost, late=True), clerk)
        assert not echoes(store.settings.dicom.tls_port, *by_tls(store, lost))
        warned = [each.text for each in certificate_checks.certificates(store) if each.level == "warning"]
        assert any(text.startswith("The revocation list of CN=stranger is good until 2025-01-02") for text in warned)
        assert [key for key in problems(store) if key.startswith("revocations-late:")] == [
            "revocations-late:CN=stranger"
        ]


def test_a_list_nobody_who_is_trusted_signed_is_refused(
    tmp_path: Path, clerk: Actor, ct: Identity, stranger: Identity
) -> None:
    with appliance(tmp_path / "data", clerk, trusted=ct) as store:
        with pytest.raises(SettingError, match="CN=stranger is signed by nobody who is trusted"):
            revocations.take(store, revoking(stranger, tmp_path / "ca"), clerk)
        with pytest.raises(SettingError, match=r"ct.pem can't be read as certificate revocation lists"):
            revocations.take(store, ct.certificate, clerk)
        assert revocations.lists_in_force(store) == []


def test_a_list_takes_the_place_of_an_older_one_and_no_newer_one(
    tmp_path: Path, clerk: Actor, stranger: Identity
) -> None:
    lost = signed_by(stranger, tmp_path)
    with appliance(tmp_path / "data", clerk, trusted=stranger) as store:
        old = shutil.copy(revoking(stranger, tmp_path / "ca"), tmp_path / "old.pem")
        time.sleep(1.1)  # lists tell seconds
        revocations.take(store, revoking(stranger, tmp_path / "ca", lost), clerk)
        with pytest.raises(ConflictError, match="older than the one in force"):
            revocations.take(store, Path(old), clerk)
        assert [view.revoked for view in revocations.lists_in_force(store)] == [1]


def test_a_file_of_lists_that_is_none_closes_the_tls_port_and_is_said(
    tmp_path: Path, clerk: Actor, ct: Identity
) -> None:
    with appliance(tmp_path, clerk, trusted=ct) as store:
        (certificates.tls_folder(store) / "revoked.pem").write_text("nothing")
        with serving(store) as server:
            assert echoes(server.port)
            assert not echoes(store.settings.dicom.tls_port, *by_tls(store, ct))
        assert "can't be read as certificate revocation lists" in about_tls(store)[0].text
