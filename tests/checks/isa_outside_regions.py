#!/usr/bin/env python3
"""The baseline program runs on any x86-64: wide registers appear only in functions of an ISA's namespace.

Disassembles the built program. An inline function that was compiled for AVX-512 and won at link time would show up here.
Exit status 77: nothing to look at (no program, no objdump, another architecture)."""
from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

ISA = re.compile(r"\b(avx2|avx512\w*|amx\w*)\b")
WIDE = re.compile(r"%[yz]mm\d|%k[1-7]\b|%tmm\d|\tv[a-z0-9]+ .*%xmm")
FUNCTION = re.compile(r"^[0-9a-f]+ <(.*)>:$")


def skip(reason: str) -> int:
    print(reason)
    return 77


def main() -> int:
    program = Path(os.environ.get("OCTAVO_BUILD", "build/release")) / "bin" / "octavo"
    if platform.machine() != "x86_64":
        return skip("not an x86-64")
    if not program.is_file():
        return skip(f"no {program}")
    if shutil.which("objdump") is None:
        return skip("objdump is not installed")
    found: dict[str, str] = {}
    wide_functions = set()
    function = ""
    with subprocess.Popen(["objdump", "-d", "-C", "--no-show-raw-insn", program], stdout=subprocess.PIPE, text=True, errors="replace") as dump:
        for line in dump.stdout or []:
            if name := FUNCTION.match(line):
                function = name.group(1)
            elif WIDE.search(line):
                wide_functions.add(function)
                if not ISA.search(function):
                    found.setdefault(function, line.strip())
    for name, line in sorted(found.items()):
        print(f"{name[:160]}: {line}")
    print(f"{len(found)} functions use wide registers outside an ISA's namespace, {len(wide_functions) - len(found)} inside")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
