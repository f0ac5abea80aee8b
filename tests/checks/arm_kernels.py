#!/usr/bin/env python3
"""The kernels of 64-bit Arm: cross-built and run under qemu's user mode, NEON tables against the reference.

Needs the Debian packages g++-aarch64-linux-gnu and qemu-user and googletest's source (libgtest-dev); skipped with status 77 where one is
missing. Takes some minutes the first time. Everything that is not arithmetic of kernels is tested natively only."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build/aarch64"
SKIPPED = 77
# Of tables that share a kernel one is enough: an emulated processor takes its time.
FILTERS = {"src/cpu/octavo_cpu_test": "Features*:Panels*", "tests/conformance/octavo_conformance_test": "*Matmul*nt8*:*Row*/neon:*PlaceHeads*/neon"}


def missing() -> list[str]:
    needs = {"g++-aarch64-linux-gnu": shutil.which("aarch64-linux-gnu-g++"), "qemu-user": shutil.which("qemu-aarch64"),
             "libgtest-dev": Path("/usr/src/googletest/googletest").is_dir(), "cmake": shutil.which("cmake"), "ninja-build": shutil.which("ninja")}
    return [package for package, found in needs.items() if not found]


def main() -> int:
    if lacking := missing():
        print("skipped: not installed: " + " ".join(lacking))
        return SKIPPED
    configure = ["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", f"-DCMAKE_TOOLCHAIN_FILE={ROOT}/cmake/aarch64.cmake",
                 "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG", "-DOCTAVO_KERNELS_ONLY=ON"]
    build = ["cmake", "--build", BUILD, "-j", str(os.cpu_count()), "--target", *(Path(program).name for program in FILTERS)]
    for command in (configure, build):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print((done.stdout + done.stderr)[-4000:])
            return 1
    for program, wanted in FILTERS.items():
        done = subprocess.run(["qemu-aarch64", "-cpu", "max", "-L", "/usr/aarch64-linux-gnu", BUILD / program, f"--gtest_filter={wanted}"],
                              cwd=ROOT, capture_output=True, text=True, check=False)
        last = [line for line in done.stdout.splitlines() if line.startswith("[  PASSED  ]")]
        if done.returncode or not last:
            print(done.stdout[-4000:] + done.stderr[-1000:])
            return 1
        print(f"{Path(program).name} on emulated Arm: {last[0][13:].strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
