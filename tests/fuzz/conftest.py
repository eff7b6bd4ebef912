"""The fuzzed process comes from the fault harness."""

from __future__ import annotations

from tests.faults.conftest import template, works

__all__ = ["template", "works"]
