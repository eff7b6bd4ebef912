"""Certificates made by the test, by openssl: not by the code that is tried."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest


@dataclasses.dataclass
class Identity:
    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        command = ["openssl", "x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().partition("=")[2]


def make_identity(folder: Path, name: str) -> Identity:
    made = Identity(folder / f"{name}.pem", folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-keyout", made.key, "-out", made.certificate, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made


@pytest.fixture(scope="session")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """A CT scanner's certificate."""
    return make_identity(tmp_path_factory.mktemp("ct"), "ct")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("stranger"), "stranger")
