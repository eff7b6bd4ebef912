"""Passwords: kept as argon2id, long enough, not among the first anybody would try."""

from __future__ import annotations

import re
import threading
import unicodedata
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from appliance.errors import UsageError
from appliance.words import Words, say

SHORTEST = 8
LONGEST = 128

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_at_once = threading.BoundedSemaphore(2)
"""Each check takes 19 MiB: a flood of log-ins waits here instead of filling the memory."""

COMMON = frozenset((Path(__file__).parent / "common-passwords.txt").read_text("utf-8").split())
"""Words that, with digits and signs around them, are the first to be tried."""

_RUNS = ("01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")
_LEET = str.maketrans("0134578@$!", "oieastbasi")


def weakness(password: str, *, name: str = "") -> Words | None:
    """Why a password is refused; None when it is fine. No rule of character classes, no end of validity."""
    if len(password) < SHORTEST:
        return say("A password has at least %(count)s characters.", count=SHORTEST)
    if len(password) > LONGEST:
        return say("A password has at most %(count)s characters.", count=LONGEST)
    if _is_common(password, name):
        return say("This password is one of the first that would be tried. Take a longer or an odder one.")
    return None


def _is_common(password: str, name: str) -> bool:
    plain = unicodedata.normalize("NFKC", password).casefold()
    if len(set(plain)) <= 2 or any(plain in run for run in _RUNS):
        return True
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", plain)
    refused = COMMON | {"", name.casefold()}
    readings = (re.split(r"[\W\d_]+", core), [core.translate(_LEET)])
    return any(all(_is_of(refused, word) for word in words) for words in readings)


def _is_of(refused: frozenset[str], word: str) -> bool:
    """Whether a word is one of those refused, or two of them joined."""
    return word in refused or any(word[:at] in refused and word[at:] in refused for at in range(1, len(word)))


def check_password(password: str, *, name: str = "") -> None:
    """Raise UsageError when a password is refused."""
    problem = weakness(password, name=name)
    if problem:
        raise UsageError(problem, field="password")


def hash_password(password: str) -> str:
    """An argon2id hash with its own salt."""
    with _at_once:
        return _hasher.hash(_normal(password))


def verify(password_hash: str | None, password: str) -> bool:
    """Whether the password fits. Without a hash it takes the same time, and does not."""
    with _at_once:
        try:
            return _hasher.verify(password_hash or _NOBODY, _normal(password)) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


def needs_rehash(password_hash: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def _normal(password: str) -> str:
    """The same characters whichever keyboard composed them; over-long input is cut, it can't be a password."""
    return unicodedata.normalize("NFKC", password[: LONGEST + 1])


_NOBODY = _hasher.hash("nobody has this password")
