"""DICOM TLS: handshakes that stall hold up nobody, and only strangers with a certificate come in."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import threading
from pathlib import Path

import pytest

from appliance.errors import SettingError
from appliance.network.requestor import Peer
from appliance.network.scu import echo
from appliance.network.server import Listen
from appliance.network.tls import client_context, server_context
from tests.network.conftest import QUICK, Bench, eventually, our_threads
from tests.network.raw import RawPeer
from tests.support.certificates import Identity, identity


@pytest.fixture(scope="module")
def us(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity(tmp_path_factory.mktemp("tls"), "appliance")


@pytest.fixture(scope="module")
def modality(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return identity(tmp_path_factory.mktemp("tls"), "modality")


def caller(port: int, context: ssl.SSLContext | None) -> Peer:
    return Peer(host="127.0.0.1", port=port, called="APPLIANCE", tls=context)


def test_an_echo_goes_over_tls(bench: Bench, us: Identity) -> None:
    group = bench.serve(listen=[Listen(ssl_context=server_context(us.certificate, us.key))])
    result = echo(caller(group.port, client_context(us.certificate)))
    assert result.ok, result.message


def test_mutual_tls_lets_in_only_who_shows_a_trusted_certificate(
    bench: Bench, us: Identity, modality: Identity
) -> None:
    context = server_context(us.certificate, us.key, modality.certificate)
    group = bench.serve(listen=[Listen(ssl_context=context)])
    known = client_context(us.certificate, modality.certificate, modality.key)
    assert echo(caller(group.port, known)).ok
    assert not echo(caller(group.port, client_context(us.certificate))).ok
    assert eventually(lambda: "tls-failed" in bench.kinds)


def test_a_certificate_nobody_vouches_for_is_told_so(bench: Bench, us: Identity, modality: Identity) -> None:
    group = bench.serve(listen=[Listen(ssl_context=server_context(us.certificate, us.key))])
    result = echo(caller(group.port, client_context(modality.certificate)))
    assert not result.ok
    assert "certificate is not trusted" in result.message


def test_mute_tls_clients_hold_up_nobody_and_are_dropped(bench: Bench, us: Identity) -> None:
    limits = dataclasses.replace(QUICK, pending=200)
    group = bench.serve(listen=[Listen(ssl_context=server_context(us.certificate, us.key))], limits=limits)
    mute = [RawPeer(group.port) for _ in range(100)]
    assert echo(caller(group.port, client_context(us.certificate))).ok
    for peer in mute:
        assert peer.closed()
        peer.socket.close()
    assert eventually(lambda: group.gate.pending == 0)


def client_hello(context: ssl.SSLContext) -> bytes:
    """What a client of TLS says first."""
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1").do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("said", [0, 1, 6, -1], ids=["nothing", "a byte", "a head", "all but a byte"])
def test_who_has_not_opened_a_handshake_costs_no_thread(bench: Bench, us: Identity, said: int) -> None:
    limits = dataclasses.replace(QUICK, tls_deadline=60)
    group = bench.serve(listen=[Listen(ssl_context=server_context(us.certificate, us.key))], limits=limits)
    context = client_context(us.certificate)
    threads = our_threads()
    peers = [RawPeer(group.port) for _ in range(20)]
    for peer in peers:
        peer.send(client_hello(context)[:said])
    assert eventually(lambda: group.gate.pending == 20)
    assert echo(caller(group.port, context)).ok  # what was sent before it has been looked at
    assert eventually(lambda: our_threads() <= threads)
    for peer in peers:
        peer.socket.close()
    assert eventually(lambda: group.gate.pending == 0)


def test_a_handshake_that_comes_byte_by_byte_is_taken(bench: Bench, us: Identity) -> None:
    limits = dataclasses.replace(QUICK, tls_deadline=60)
    group = bench.serve(listen=[Listen(ssl_context=server_context(us.certificate, us.key))], limits=limits)
    with RawPeer(group.port) as peer:
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in client_hello(client_context(us.certificate)):
            peer.send(bytes([byte]))
        assert peer.read(1) == b"\x16"


def test_a_handshake_for_which_no_thread_is_left_ends_no_port(
    bench: Bench, us: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = bench.serve(listen=[Listen(ssl_context=server_context(us.certificate, us.key))])
    context = client_context(us.certificate)
    peer = RawPeer(group.port)
    assert eventually(lambda: group.gate.pending == 1)
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", _no_thread_left)
        peer.send(client_hello(context))
        assert peer.closed()
    assert eventually(lambda: group.gate.pending == 0)
    assert echo(caller(group.port, context)).ok


def _no_thread_left(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("at", ["before", "in", "after"], ids="{} the handshake".format)
def test_the_room_for_those_without_an_association_holds_for_tls_too(bench: Bench, us: Identity, at: str) -> None:
    limits = dataclasses.replace(QUICK, pending=3, tls_deadline=60, request_deadline=60)
    group = bench.serve(listen=[Listen(ssl_context=server_context(us.certificate, us.key))], limits=limits)
    context = client_context(us.certificate)
    peers = [RawPeer(group.port) for _ in range(3)]
    for peer in peers if at == "in" else ():
        peer.send(client_hello(context))
        assert peer.read(1) == b"\x16"
    for peer in peers if at == "after" else ():
        peer.socket = context.wrap_socket(peer.socket, server_hostname="127.0.0.1")
    assert eventually(lambda: group.gate.pending == 3)
    peers.append(RawPeer(group.port))
    assert peers[0].closed(), "put out of the count, and still there with its thread"
    assert echo(caller(group.port, context)).ok
    for peer in peers:
        peer.socket.close()


def test_plain_dicom_on_the_tls_port_is_refused(bench: Bench, us: Identity) -> None:
    group = bench.serve(listen=[Listen(ssl_context=server_context(us.certificate, us.key))])
    assert not echo(caller(group.port, None)).ok


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_of_tls_are_refused(bench: Bench, us: Identity, version: ssl.TLSVersion) -> None:
    group = bench.serve(listen=[Listen(ssl_context=server_context(us.certificate, us.key))])
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = version
    with pytest.raises((ssl.SSLError, ConnectionError)), socket.create_connection(("127.0.0.1", group.port)) as sock:
        old.wrap_socket(sock)


def test_only_ciphers_with_forward_secrecy_are_offered(us: Identity) -> None:
    ciphers = server_context(us.certificate, us.key).get_ciphers()
    assert {cipher["protocol"] for cipher in ciphers} == {"TLSv1.2", "TLSv1.3"}
    assert all(cipher["aead"] for cipher in ciphers)
    assert all(cipher["kea"] in ("kx-ecdhe", "kx-any") for cipher in ciphers)


def test_a_certificate_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nothing", encoding="ascii")
    with pytest.raises(SettingError, match="x.pem"):
        server_context(tmp_path / "x.pem", tmp_path / "x.pem")
