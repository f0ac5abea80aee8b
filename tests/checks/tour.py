#!/usr/bin/env python3
"""The files that docs/tour.md tells a newcomer to read exist and are short together."""
from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MAX_LINES = 2000


def main() -> int:
    text = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    steps = re.findall(r"^\d\. (.*)$", text, re.M)
    files = [name for step in steps for name in re.findall(r"`([\w./]+\.(?:h|cc))`", step.split(":")[0])]
    links = [name for name in re.findall(r"`([\w.-]+/[\w./-]*)`", text) if not (ROOT / name).exists()]
    missing = sorted({name for name in files if not (ROOT / name).is_file()} | set(links))
    total = sum((ROOT / name).read_text(encoding="utf-8").count("\n") for name in files if (ROOT / name).is_file())
    for name in missing:
        print(f"docs/tour.md names {name}, which is not there")
    print(f"{len(steps)} stops, {len(files)} files, {total} lines, limit {MAX_LINES}")
    return 1 if missing or len(steps) != 8 or total > MAX_LINES else 0


if __name__ == "__main__":
    sys.exit(main())
