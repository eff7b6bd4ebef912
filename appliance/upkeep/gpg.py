"""Encryption of backups by GnuPG with a passphrase: any ``gpg --decrypt`` opens them, with or without us."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO

from appliance.errors import ApplianceError, DamagedError
from appliance.words import say

OPTIONS = ("--batch", "--quiet", "--no-symkey-cache", "--pinentry-mode", "loopback", "--no-tty")
ENCRYPT = ("--cipher-algo", "AES256", "--s2k-digest-algo", "SHA512", "--s2k-count", "65011712")
"""AES-256, and the slowest derivation OpenPGP 4880 has."""


@contextlib.contextmanager
def encrypting(target: IO[bytes], passphrase: str) -> Iterator[IO[bytes]]:
    """What is written to the given stream comes encrypted to `target`, which must be a real file."""
    command = [*ENCRYPT, "--compress-algo", "none", "--symmetric", "--output", "-"]
    with _gpg(command, passphrase, stdin=subprocess.PIPE, stdout=target) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended, and said why: a full disk
            yield process.stdin
            process.stdin.close()
        if process.wait():
            raise ApplianceError(say("gpg could not encrypt the backup: %(why)s", why=_said(process)))


@contextlib.contextmanager
def decrypting(source: IO[bytes], passphrase: str) -> Iterator[IO[bytes]]:
    """The plain bytes of an encrypted file. Raises DamagedError for a wrong passphrase or a damaged file."""
    with _gpg(["--decrypt"], passphrase, stdin=source, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        except Exception:
            if process.wait():
                raise DamagedError(say("The backup can't be decrypted: %(why)s", why=_said(process))) from None
            raise
        while process.stdout.read(1 << 20):
            pass
        if process.wait():
            raise DamagedError(say("The backup can't be decrypted: %(why)s", why=_said(process)))


@contextlib.contextmanager
def _gpg(
    command: list[str], passphrase: str, *, stdin: IO[bytes] | int, stdout: IO[bytes] | int
) -> Iterator[subprocess.Popen[bytes]]:
    """gpg with the passphrase on a descriptor of its own, never on its command line."""
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory(prefix="gpg-") as home:
        line = ["gpg", "--homedir", home, *OPTIONS, "--passphrase-fd", str(reading), *command]
        try:
            process = subprocess.Popen(line, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, pass_fds=(reading,))
        except FileNotFoundError:
            os.close(writing)
            raise ApplianceError(say("gpg is not installed: apt install gpg.")) from None
        finally:
            os.close(reading)
        with os.fdopen(writing, "wb") as pipe, contextlib.suppress(BrokenPipeError):
            pipe.write(passphrase.encode())
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _said(process: subprocess.Popen[bytes]) -> str:
    lines = (process.stderr.read() if process.stderr else b"").decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("gpg: ") if lines else say("it says nothing")
