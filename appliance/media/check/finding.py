"""What the checker has to say."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from appliance.legible import legible
from appliance.words import say

ERROR = "error"  # other systems may fail to read the disc, or something is not what it says it is
WARNING = "warning"  # against the rules of a profile, but most systems will read it
NOTE = "note"  # worth knowing


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing found wrong."""

    severity: str  # error, warning, note
    code: str  # short and stable, for programs
    where: str  # a path on the disc, or "" for the whole disc
    text: str  # what is wrong, in words

    def to_json(self) -> dict[str, Any]:
        """All fields, by name."""
        return asdict(self)

    def __str__(self) -> str:
        # names on a disc are its maker's: none may steer a terminal or pass for a line of ours
        return " ".join(legible(f"{self.severity}: {self.where + ': ' if self.where else ''}{self.text}").splitlines())


def tell_padding(findings: Findings, where: str, count: int) -> None:
    """A file with zeros behind its end."""
    text = say("%(count)s zeros follow its end, which belong to no element; most systems pass over them", count=count)
    findings.warning("padding", where, text)


class Findings:
    """Collects findings; of each code only the first hundred are kept one by one."""

    MOST = 100

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._kept: set[Finding] = set()
        self._counts: dict[str, int] = {}

    def add(self, severity: str, code: str, where: str, text: str) -> None:
        """One more finding; the same again is none."""
        finding = Finding(severity=severity, code=code, where=where, text=text)
        if finding in self._kept:
            return
        self._counts[code] = self._counts.get(code, 0) + 1
        if self._counts[code] <= self.MOST:
            self._found.append(finding)
            self._kept.add(finding)

    def error(self, code: str, where: str, text: str) -> None:
        """One more error."""
        self.add(ERROR, code, where, text)

    def warning(self, code: str, where: str, text: str) -> None:
        """One more warning."""
        self.add(WARNING, code, where, text)

    def all(self) -> list[Finding]:
        """Errors first, and how many more there are of each kind."""
        more = [
            Finding(severity=NOTE, code=code, where="", text=say("%(count)s more like this", count=count - self.MOST))
            for code, count in self._counts.items()
            if count > self.MOST
        ]
        order = {ERROR: 0, WARNING: 1, NOTE: 2}
        return sorted(self._found + more, key=lambda finding: order[finding.severity])
