"""``make bench``: run every benchmark, print a table, keep benchmarks/results.json and docs/performance.md.

A benchmark is a module of this package with ``run() -> list[dict]``: name, ours_s, the peer's or bare seconds, ratio,
goal and a short line on the peer. ``python -m benchmarks NAME…`` runs some of them.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
import pkgutil
import platform
import sys
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
TABLE = HERE.parent / "docs" / "performance.md"


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all; results of those not run, or that failed, stay as they were.

    Raises SystemExit in the end when one failed.
    """
    failed = []
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results: dict[str, Any] = kept.get("results", {})
    for name in names or modules():
        print(f"== {name}", flush=True)
        try:
            rows = _module(name).run()
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        results[name] = {"at": dt.date.today().isoformat(), "machine": machine(), "rows": rows}
        for row in rows:
            print("  " + line(row), flush=True)
        RESULTS.write_text(json.dumps({"results": results}, indent=2) + "\n", "utf-8")
        TABLE.write_text(page(results), "utf-8")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def modules() -> list[str]:
    """Every benchmark there is."""
    found = [module.name for module in pkgutil.iter_modules([str(HERE)])]
    return sorted(name for name in found if not name.startswith("_") and hasattr(_module(name), "run"))


def _module(name: str) -> Any:
    return importlib.import_module(f"benchmarks.{name}")


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    with Path("/proc/cpuinfo").open() as file:
        models = [text.partition(":")[2].strip() for text in file if text.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / (1 << 30), 1),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def line(row: dict[str, Any]) -> str:
    """One result for a person."""
    figures = ", ".join(f"{key} {_figure(value)}" for key, value in row.items() if key not in ("name", "peer", "note"))
    return f"{row['name']}: {figures}"


def _figure(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def page(results: dict[str, Any]) -> str:
    """docs/performance.md."""
    parts = [
        "# How fast it is",
        "",
        "Made by `make bench`: medians of paired runs, as ratios to the bare cost or to a peer in the same run.",
    ]
    for name, result in sorted(results.items()):
        keys = list(dict.fromkeys(key for row in result["rows"] for key in row))
        parts += ["", f"## {name} ({result['at']}, `python -m benchmarks {name}`)", "", _on(result["machine"]), ""]
        parts += ["| " + " | ".join(key.replace("_", " ") for key in keys) + " |", "|" + " --- |" * len(keys)]
        parts += ["| " + " | ".join(_figure(row.get(key, "")) for key in keys) + " |" for row in result["rows"]]
    return "\n".join(parts) + "\n"


def _on(about: dict[str, Any]) -> str:
    """The machine a result was taken on."""
    size = f"{about['cores']} cores, {about['memory_gib']} GiB"
    return f"Machine: {about['processor']}, {size}, Python {about['python']}."


if __name__ == "__main__":
    main(sys.argv[1:])
