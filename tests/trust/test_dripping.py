"""Mail servers, webhooks and collectors that say something now and then, for ever: upkeep is one thread for all."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from appliance.config import NoticesSettings, SmtpSettings, SyslogSettings
from appliance.upkeep import mailing, syslog
from appliance.upkeep import webhook as webhook_of
from appliance.upkeep.notice import Notice

TOLD = [Notice(key="disk", text="The disk is short.")]


@contextmanager
def dripping(first: bytes, drop: bytes) -> Iterator[int]:
    """The port of somebody who begins with `first` and goes on with `drop` after `drop`."""
    stop = threading.Event()

    def drip() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(first)
                while not stop.wait(0.05):
                    connection.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        stop.set()
    thread.join(5)


def mail(port: int) -> None:
    mailing.Mailer(SmtpSettings(host="127.0.0.1", port=port, recipients=("x@example.org",))).send(TOLD)


def webhook(port: int) -> None:
    webhook_of.post(NoticesSettings(webhook=f"http://127.0.0.1:{port}/"), TOLD)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("tell", "first", "drop"),
    [(mail, b"", b"220-hello\r\n"), (webhook, b"HTTP/1.1 200 OK\r\nX: ", b"a")],
    ids=["mail", "webhook"],
)
def test_who_drips_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, tell: Callable[[int], None], first: bytes, drop: bytes
) -> None:
    for module in (mailing, webhook_of):
        monkeypatch.setattr(module, "IN_ALL", 0.5)
    with dripping(first, drop) as port, pytest.raises(TimeoutError, match="did not end"):
        tell(port)


@pytest.mark.timeout(20)
def test_a_collector_that_drips_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "IN_ALL", 0.5, raising=False)
    began = time.monotonic()
    with dripping(b"", b"x") as port:
        syslog.send(SyslogSettings(host="127.0.0.1", port=port, transport="tcp"), [b"a line"])
    assert time.monotonic() - began < 10
