"""Run a command under the system call filter and the memory rule of one of our units, as systemd would set them.

Usage: python -m tests.trust.sandbox UNIT -- COMMAND…    (no root, no systemd running: prctl and seccomp alone)
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path

UNITS = Path(__file__).parents[2] / "systemd"
HEADERS = (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h"))
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_MDWE = 38, 22, 65
SECCOMP_MODE_FILTER, PR_MDWE_REFUSE_EXEC_GAIN = 2, 1
AUDIT_ARCH_X86_64 = 0xC000003E
ALLOW, EPERM_ERROR = 0x7FFF0000, 0x00050000 | 1
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


@cache
def members(group: str) -> frozenset[str]:
    """The system calls of one of systemd's groups, by systemd-analyze."""
    text = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True
    ).stdout
    found: set[str] = set()
    for line in text.splitlines()[1:]:
        name = line.strip()
        if name and not name.startswith("#"):
            found |= members(name) if name.startswith("@") else {name}
    return frozenset(found)


def allowed(unit: Path) -> set[str]:
    """What a unit's SystemCallFilter= lines come to, in their order; systemd itself adds @default."""
    calls = set(members("@default"))
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.MULTILINE):
        named = {
            each for name in line.removeprefix("~").split() for each in (members(name) if name[0] == "@" else {name})
        }
        calls = calls - named if line.startswith("~") else calls | named
    return calls


def numbers() -> dict[str, int]:
    header = next(path for path in HEADERS if path.is_file())
    return {name: int(value) for name, value in re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())}


def program(calls: set[str]) -> bytes:
    """A filter that answers EPERM to everything but these."""
    known = numbers()

    def step(code: int, yes: int, no: int, value: int) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    steps = [step(LOAD, 0, 0, 4), step(JUMP_IF_EQUAL, 1, 0, AUDIT_ARCH_X86_64), step(RETURN, 0, 0, EPERM_ERROR)]
    steps.append(step(LOAD, 0, 0, 0))
    for name in sorted(calls & set(known)):
        steps += [step(JUMP_IF_EQUAL, 0, 1, known[name]), step(RETURN, 0, 0, ALLOW)]
    steps.append(step(RETURN, 0, 0, EPERM_ERROR))
    return b"".join(steps)


def enter(unit: Path) -> None:
    """From here on this process and its children live under the unit's filter."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
        raise SystemExit("this kernel has no PR_SET_MDWE (Linux 6.3)")
    code = program(allowed(unit))
    buffer = ctypes.create_string_buffer(code)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer)))
    library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if library.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
        raise SystemExit(f"seccomp: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    enter(UNITS / sys.argv[1])
    os.execvp(sys.argv[3], sys.argv[3:])
