"""Priorities of jobs: in words as DICOM has them (Print Priority, PS3.3 C.13.1; Request Priority, C.22.1), in the
database as numbers, the more urgent the greater.
"""

from __future__ import annotations

PRIORITIES = {"HIGH": 3, "MED": 2, "LOW": 1}
NAMES = {number: name for name, number in PRIORITIES.items()}
