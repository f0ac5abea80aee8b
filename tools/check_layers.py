#!/usr/bin/env python3
"""Include direction, public headers and build rules. Exit status 1 names each line that breaks one.

A file of src/ includes from its own folder and from folders of lower rank; folders of one rank never see each other.
Backends are named by cli/, python/, bench/, fuzz/ and tests alone. include/octavo/ shows no third-party type and no inner header.
CMake lists sources by name and sets no instruction set."""
from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = (Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent).resolve()
ORDER = [["base"], ["text"], ["grammar"], ["tensor"], ["io"], ["ops"], ["cpu", "gpu", "opencl"], ["dist"], ["model"], ["cache"],
         ["engine"], ["quant", "train", "eval", "serve", "measure"]]
RANK = {folder: rank for rank, folders in enumerate(ORDER) for folder in folders}
BACKENDS = set(ORDER[6])
SOURCES = ("*.h", "*.cc", "*.cu")
QUOTED = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
ANGLED = re.compile(r"^\s*#\s*include\s*<([^>]+)>")


def problem_of(folder: str, path: Path, target: str) -> str | None:
    """Why a file of src/`folder` may not include `target`."""
    top = target.split("/")[0]
    if top == "octavo":
        return None if (ROOT / "include" / target).is_file() else "no such public header"
    if "/" not in target or top not in RANK:
        return "include as \"folder/header.h\", the folder one of src/"
    if not (ROOT / "src" / target).is_file():
        return "no such file"
    if top == folder:
        return None
    if top in BACKENDS and not path.stem.endswith("_test"):
        return f"{folder} names the backend {top}: only cli and python pick one"
    if top in RANK and RANK[top] >= RANK[folder]:
        return f"{folder} may not see {top}"
    return None


def check_sources() -> list[str]:
    problems = []
    for pattern in SOURCES:
        for path in sorted((ROOT / "src").rglob(pattern)):
            folder = path.relative_to(ROOT / "src").parts[0]
            if folder not in RANK:
                problems.append(f"{path.relative_to(ROOT)}: folder {folder} has no rank")
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                found = QUOTED.match(line)
                why = problem_of(folder, path, found.group(1)) if found else None
                if why:
                    problems.append(f"{path.relative_to(ROOT)}:{number}: {found.group(1)}: {why}")
    return problems


def check_public() -> list[str]:
    problems = []
    for path in sorted((ROOT / "include" / "octavo").rglob("*.h")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            quoted, angled = QUOTED.match(line), ANGLED.match(line)
            if quoted and not quoted.group(1).startswith("octavo/"):
                problems.append(f"{path.relative_to(ROOT)}:{number}: a public header includes an inner one")
            if angled and not re.fullmatch(r"[a-z0-9_]+", angled.group(1)):
                problems.append(f"{path.relative_to(ROOT)}:{number}: <{angled.group(1)}> is not of the standard library")
    return problems


def check_cmake() -> list[str]:
    files = [ROOT / "CMakeLists.txt", ROOT / "CMakePresets.json"]
    for folder in ("src", "cli", "tests", "bench", "fuzz", "cmake", "python", "examples"):
        files += sorted(p for p in (ROOT / folder).rglob("*") if p.name == "CMakeLists.txt" or p.suffix == ".cmake")
    problems = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            rule = line.split("#")[0]
            if re.search(r"\bGLOB(_RECURSE)?\b", rule):
                problems.append(f"{path.relative_to(ROOT)}:{number}: list sources by name, without globs")
            if re.search(r"-m(arch|tune|avx|fma|amx|sse|f16c|bmi)", rule):
                problems.append(f"{path.relative_to(ROOT)}:{number}: no instruction sets by flag: use target regions")
    return problems


def main() -> int:
    problems = check_sources() + check_public() + check_cmake()
    print("\n".join(problems) if problems else "layers hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
