"""A known peer as one to call: its address, our AE title, TLS as the settings have it."""

from __future__ import annotations

import ssl

from appliance.errors import SettingError, UsageError
from appliance.network.requestor import Peer as Called
from appliance.network.tls import client_context
from appliance.security.certificates import revoked_file, tls_files, trusted_file
from appliance.security.peers import Peer
from appliance.store.store import Store
from appliance.words import say


def to_call(store: Store, peer: Peer) -> Called:
    """How `peer` is called. Raises UsageError when it has no address to call, SettingError when TLS is not set up."""
    if not peer.host or not peer.port:
        raise UsageError(say("Peer %(name)s has no address and port to call it at: set them first.", name=peer.name))
    return Called(
        host=peer.host,
        port=peer.port,
        called=peer.ae_title,
        calling=store.settings.dicom.ae_title,
        tls=_tls(store) if peer.tls else None,
    )


def _tls(store: Store) -> ssl.SSLContext:
    trusted, ours = trusted_file(store), tls_files(store)
    if trusted is None:
        raise SettingError(say("To call a peer by TLS set tls.authorities: the certificates that vouch for peers."))
    certificate, key = (ours.certificate, ours.key) if ours else (None, None)
    return client_context(trusted, certificate, key, check_hostname=False, revoked=revoked_file(store))
