"""A peer can't flood the log, and what it did is still told."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from appliance.calm import ABOUT_ONE, AGAINST_ONE, SAME_WORDS, Calm


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What passes, of a logger of the network's."""
    logger, found = logging.getLogger("appliance.network"), []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    keep = Keep()
    keep.addFilter(Calm())
    logger.addHandler(keep)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield found
    logger.setLevel(level)
    logger.removeHandler(keep)


def say(count: int, words: str, *about: object, level: int = logging.WARNING) -> None:
    for _ in range(count):
        logging.getLogger("appliance.network").log(level, words, *about)


def test_ten_thousand_lines_about_one_peer_make_a_burst_of_them(lines: list[str]) -> None:
    for words in ("%s sent A", "%s sent B", "%s sent C"):
        say(3000, words, "CT@10.0.0.1", level=logging.INFO)
    assert len(lines) <= ABOUT_ONE[0] + 5


def test_of_ten_thousand_faults_of_one_peer_some_are_told_then_one_a_second(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    for number in range(10_000):
        monkeypatch.setattr("appliance.calm.time.monotonic", lambda moment=began + number / 1000: moment)
        say(1, f"{('C-STORE from %s', '%s sent', 'sent from %s')[number % 3]} {number}", f"FE{number}@fe80::1")
    assert AGAINST_ONE[0] <= len(lines) <= AGAINST_ONE[0] + 10
    assert lines[0] == "C-STORE from FE0@fe80::1 0" and "(999 lines before it not logged)" in lines[-1]


def test_the_page_s_server_floods_the_log_no_more_than_the_network_does() -> None:
    calm, flood = Calm(), logging.getLogger("waitress").makeRecord
    passed = [calm.filter(flood("waitress", logging.WARNING, "", 0, "accept() threw", (), None)) for _ in range(10_000)]
    assert sum(passed) <= SAME_WORDS[0] + 5


def test_a_loud_peer_leaves_the_lines_of_another_alone(lines: list[str]) -> None:
    for number in range(200):
        say(1, f"%s sent {number}", "CT@10.0.0.1")
    say(1, "%s was refused", "MR@10.0.0.2")
    assert lines[-1] == "MR@10.0.0.2 was refused"


def test_a_peer_with_ever_new_names_is_kept_down_too(lines: list[str]) -> None:
    for number in range(3000):
        say(1, "%s is rejected", f"AE{number}@10.0.{number % 250}.{number // 250}")
    assert len(lines) <= SAME_WORDS[0] + 20


def test_the_next_line_says_how_many_were_left_out(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    say(300, "%s sent A", "CT@10.0.0.1")
    passed = len(lines)
    later = time.monotonic() + 60
    monkeypatch.setattr("appliance.calm.time.monotonic", lambda: later)
    say(1, "%s sent A", "CT@10.0.0.1")
    assert lines[-1] == f"CT@10.0.0.1 sent A ({300 - passed} lines before it not logged)"


def test_lines_of_other_rooms_pass(lines: list[str]) -> None:
    record = logging.LogRecord("appliance.printing", logging.INFO, "", 0, "composed", (), None)
    calm = Calm()
    assert all(calm.filter(record) for _ in range(1000))


def test_what_a_library_warns_of_a_peers_bytes_is_not_remembered() -> None:
    """The rules of Python's warnings but one keep each text for ever: bad UIDs would fill the memory."""
    code = """
import logging, sys
from pydicom import valuerep, config, misc
from pydicom.uid import UID
from appliance.calm import keep_calm
keep_calm(logging.StreamHandler())
for number in range(50):
    UID(f"bad uid {number}", config.WARN)
kept = [m for m in list(sys.modules.values()) if len(getattr(m, "__warningregistry__", None) or ()) > 10]
print([m.__name__ for m in kept])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
