#!/usr/bin/env python3
"""Every C++ file is laid out as .clang-format says, by the one version that decides (14). Exit status 77: it is not installed."""
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = (Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
PROGRAM = "clang-format-14"
FOLDERS = ("include", "src", "cli", "tests", "fuzz", "bench", "examples", "python")


def main() -> int:
    if shutil.which(PROGRAM) is None:
        print(f"{PROGRAM} is not installed (./run lint installs it)")
        return 77
    files = [p for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".h", ".cc", ".cu")]
    wrong = [line for i in range(0, len(files), 50)
             for line in subprocess.run([PROGRAM, "--dry-run", *files[i:i + 50]], cwd=ROOT, stderr=subprocess.PIPE, text=True,
                                        check=True).stderr.splitlines() if "warning:" in line]
    unique = sorted({line.split(":")[0].removeprefix(f"{ROOT}/") for line in wrong})
    print("\n".join(f"{name}: run {PROGRAM} -i on it" for name in unique) if unique else "format holds")
    return 1 if unique else 0


if __name__ == "__main__":
    sys.exit(main())
