from __future__ import annotations

import socket
import threading
import time

import pytest

from appliance.printing.device.outcome import SendOutcome
from appliance.printing.device.wire import Wire, unacknowledged
from tests.printing.device.harness import MakeHarness, document, no_progress


def test_a_printer_that_is_busy_with_the_first_film_gets_the_second_later(harness: MakeHarness) -> None:
    """Many printers take one connection at a time and refuse others while they print."""
    printer = harness("socket", busy_deadline=10)
    listener = printer.printer._socket
    port = printer.printer.port
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    received: list[int] = []

    def one_at_a_time() -> None:
        for _ in range(2):
            with socket.create_server(("127.0.0.1", port)) as server:
                connection, _ = server.accept()
            with connection:
                size = 0
                while piece := connection.recv(65536):
                    size += len(piece)
                received.append(size)
            quiet.wait(0.3)

    quiet = threading.Event()
    thread = threading.Thread(target=one_at_a_time, daemon=True)
    thread.start()
    while not _listens(port):
        quiet.wait(0.01)
    result = printer.device.send(printer.request(2), no_progress)
    assert (result.outcome, result.documents_done) == (SendOutcome.DONE, 2), result.message
    thread.join(5)
    assert len(received) == 2


def _listens(port: int) -> bool:
    """Without connecting: the server above takes two connections and no more."""
    with open("/proc/net/tcp") as table:  # noqa: PTH123
        return any(f":{port:04X} 00000000:0000 0A" in line for line in table)


def test_when_the_printer_goes_away_between_films_the_rest_is_sent_later(harness: MakeHarness) -> None:
    printer = harness("socket", busy_deadline=0.3)
    first = printer.request(2).documents[0].path.stat().st_size

    def unplug(sent: int, total: int) -> None:
        while sent and not printer.printer.connections:
            time.sleep(0.001)
        if sent >= first:
            printer.stop()

    result = printer.device.send(printer.request(2), unplug)
    assert (result.outcome, result.documents_done, result.rest_untouched) == (SendOutcome.RETRY, 1, True)
    assert "1 of 2" in result.message
    assert printer.eventually_printed([1]) == [1]


def test_a_printer_that_keeps_the_connection_open_for_ever_is_in_doubt(harness: MakeHarness) -> None:
    printer = harness("socket", close_deadline=0.5)
    keep = threading.Event()

    def never_close(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass
        keep.wait(10)

    printer.printer.serve = never_close
    result = printer.device.send(printer.request(), no_progress)
    keep.set()
    assert result.outcome is SendOutcome.UNCERTAIN
    assert "did not close" in result.message


def test_a_printer_is_not_believed_for_what_only_our_buffers_took(harness: MakeHarness) -> None:
    """A small document fits into this machine's buffers whole, while the printer has read next to nothing."""
    printer = harness("socket", "stall")
    request = printer.request()
    small = document(printer.work, 9, size=30_000)
    result = printer.device.send(type(request)(job_name="small", documents=[small]), no_progress)
    assert result.outcome is SendOutcome.UNCERTAIN
    assert "took nothing" in result.message


def test_a_slow_printer_has_all_the_time_it_needs(harness: MakeHarness) -> None:
    """The deadline counts from the last progress: the whole takes longer than it."""
    printer = harness("socket", "slow", stall_deadline=0.5, close_deadline=0.5)
    result = printer.device.send(printer.request(3), no_progress)
    assert result.outcome is SendOutcome.DONE
    assert printer.eventually_printed([1, 2, 3]) == [1, 2, 3]


def test_unacknowledged_bytes_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        wire = Wire(ours, stall_deadline=0.3, idle=lambda: None)
        with pytest.raises(OSError, match="took nothing"):
            wire.send(b"x" * 20_000_000)
        assert unacknowledged(ours) > 0
        wire.close(clean=True)
        with pytest.raises(ConnectionResetError):
            while theirs.recv(65536):
                pass
        theirs.close()
