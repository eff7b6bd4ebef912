"""How long is waited on a busy machine."""

from __future__ import annotations

import os


def patient(seconds: float) -> float:
    """`seconds` of a free machine: with more to do than it has cores for all takes as much longer. For limits of waits
    that judge nothing: who passes them hangs."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
