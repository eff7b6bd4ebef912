from __future__ import annotations

import pytest

from appliance.security.passwords import hash_password, needs_rehash, verify, weakness

FINE = ["correct horse", "тихая река 7", "我的密码很长很长", "x7-Lm9pq", "a" * 4 + "b" * 4 + "c" * 120]
REFUSED = [
    "monkeymonkey",
    "love-dragon-2024",
    "PasswordAdmin1",
    "princess.angel",
    "",
    "short-1",
    "x" * 129,
    "aaaaaaaa",
    "abababab",
    "12345678",
    "87654321",
    "qwertyuiop",
    "password",
    "Password123!",
    "P@ssw0rd1",
    "Hospital2024",
    "!!admin!!",
    "йцукенгшщз12",
    "20260101",
]


@pytest.mark.parametrize("password", FINE)
def test_a_long_enough_odd_password_is_taken(password: str) -> None:
    assert weakness(password) is None


@pytest.mark.parametrize("password", REFUSED)
def test_a_short_or_common_password_is_refused(password: str) -> None:
    assert weakness(password) is not None


def test_the_own_name_is_no_password() -> None:
    assert weakness("Natalia77", name="natalia") is not None
    assert weakness("Natalia77", name="maria") is None


def test_a_hash_fits_its_password_only_and_has_its_own_salt() -> None:
    first, second = hash_password("correct horse"), hash_password("correct horse")
    assert first != second and first.startswith("$argon2id$")
    assert verify(first, "correct horse")
    assert not verify(first, "correct horsf")
    assert not verify(first, "correct horse" + "x" * 4000)
    assert not needs_rehash(first)


def test_nobody_has_no_password() -> None:
    assert not verify(None, "nobody has this password")
    assert not verify("damaged", "anything")


def test_a_password_typed_on_another_keyboard_is_the_same() -> None:
    assert verify(hash_password("cafe\u0301 noir"), "caf\u00e9 noir")
