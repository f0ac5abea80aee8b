#!/usr/bin/env python3
"""Runs the parts of the test suite and sums up; the last line is `N passed, M failed[, K skipped]`.

unit: ctest, counted test by test. checks: tools/check_*.py and tests/checks/*.py, exit status 77 means skipped.
end_to_end: every tests/**/*_test.py and the tests of tools/demo_language (unittest). shared: tests/shared_suites.sh where its data lie beside the checkout."""
from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SKIPPED = 77


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    def add(self, other: "Count") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.reasons += other.reasons

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def cases_of(report: Path) -> Count:
    """The tests of one GoogleTest report."""
    count = Count()
    for case in xml.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("failure") is not None:
            count.failed += 1
            count.failures.append(name)
        elif case.get("result") == "skipped" or case.find("skipped") is not None:
            count.skipped += 1
            count.reasons.append(f"{name}: {skip_text(case)}")
        elif case.get("status") == "run":
            count.passed += 1
    return count


def skip_text(case: xml.Element) -> str:
    """What GTEST_SKIP() said, without the place."""
    found = case.find("skipped")
    lines = (found.get("message") or "").strip().splitlines() if found is not None else []
    return lines[-1] if lines else "no reason given"


def run_unit(args: argparse.Namespace) -> Count:
    reports = (args.build / "reports").resolve()
    reports.mkdir(exist_ok=True)
    for old in reports.glob("*.xml"):
        old.unlink()
    junit = reports / "ctest.junit"
    subprocess.run(["ctest", "--test-dir", args.build, "--output-on-failure", "--no-tests=error", "-j", str(os.cpu_count()),
                    "--timeout", "900", "--output-junit", junit], cwd=ROOT, env=os.environ | {"GTEST_OUTPUT": f"xml:{reports}/"}, check=False)
    count = Count()
    if not junit.is_file():
        return Count(failed=1, failures=["ctest wrote no report"])
    for program in xml.parse(junit).getroot().iter("testcase"):
        name, good = program.get("name") or "?", program.get("status") == "run"
        report = reports / f"{name}.xml"
        part = cases_of(report) if report.is_file() else Count(passed=int(good))
        if not good and not part.failed:   # it crashed, or ran out of time
            part.add(Count(failed=1, failures=[name]))
        count.add(part)
    return count


def run_checks(args: argparse.Namespace) -> Count:
    count = Count()
    env = os.environ | {"OCTAVO_BUILD": str(args.build.resolve())}
    for check in sorted([*ROOT.glob("tools/check_*.py"), *ROOT.glob("tests/checks/*.py")]):
        done = subprocess.run([sys.executable, check], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        lines = done.stdout.strip().splitlines() or [""]
        if done.returncode == 0:
            count.passed += 1
        elif done.returncode == SKIPPED:
            count.skipped += 1
            count.reasons.append(f"{check.name}: {lines[-1]}")
        else:
            count.failed += 1
            count.failures.append(check.name)
            print(done.stdout, end="")
        print(f"{check.name:<28} {lines[-1]}", flush=True)
    return count


def unittest_count(name: str, text: str, status: int) -> Count:
    """From what unittest prints at its end."""
    ran = re.search(r"^Ran (\d+) tests?", text, re.M)
    if ran is None:
        return Count(failed=1, failures=[name])
    numbers = dict(re.findall(r"(failures|errors|skipped)=(\d+)", text[ran.end():]))
    failed = int(numbers.get("failures", 0)) + int(numbers.get("errors", 0))
    skipped = int(numbers.get("skipped", 0))
    if status not in (0, 5) and not failed:   # 5: Python 3.12 ran no test
        failed = 1
    reasons = [f"{name}: {reason}" for reason in sorted(set(re.findall(r"skipped ['\"](.*)['\"]$", text, re.M)))]
    return Count(max(0, int(ran.group(1)) - failed - skipped), failed, skipped, [name] * bool(failed), reasons)


def run_end_to_end(args: argparse.Namespace) -> Count:
    count = Count()
    env = {"OCTAVO_MODEL": str(ROOT / "models" / "demo")} | os.environ
    env |= {"OCTAVO": str(args.octavo.resolve()), "OCTAVO_NO_VENV": args.no_venv, "PYTHONDONTWRITEBYTECODE": "1"}
    tests = [([str(test)], str(test.relative_to(ROOT))) for test in sorted(ROOT.glob("tests/**/*_test.py"))]
    tests.append((["-m", "unittest", "discover", "-s", "tools/demo_language", "-t", "tools", "-p", "test_*.py"], "tools/demo_language"))
    for command, name in tests:
        try:
            done = subprocess.run([sys.executable, *command, "-v"], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", timeout=args.timeout, check=False)
            part, text = unittest_count(name, done.stdout, done.returncode), done.stdout
        except subprocess.TimeoutExpired as late:
            part, text = Count(failed=1, failures=[f"{name} (no end within {args.timeout} s)"]), (late.stdout or b"").decode("utf-8", "replace")
        if part.failed:
            print(text)
        print(f"{name:<44} {part}", flush=True)
        count.add(part)
    return count


def run_shared(args: argparse.Namespace) -> Count:
    shared = ROOT.parent / "shared"
    if not (shared / "check").is_dir():
        return Count(skipped=1, reasons=["shared suites: no folder `shared` beside the checkout"])
    if args.no_venv:
        return Count(skipped=1, reasons=[f"shared suites: {args.no_venv}"])
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    run = subprocess.Popen(["bash", "tests/shared_suites.sh", args.octavo.resolve(), shared], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, text=True, errors="replace")
    count = Count()
    for line in run.stdout or []:
        print(line, end="", flush=True)
        verdict = re.match(r"suite (\S+): (held|failed)", line)
        if verdict:
            held = verdict.group(2) == "held"
            count.add(Count(int(held), int(not held), 0, [] if held else [f"shared suite {verdict.group(1)}"]))
    if run.wait() != 0 and not count.failed:
        count.add(Count(failed=1, failures=["tests/shared_suites.sh"]))
    return count


PARTS = {"unit": run_unit, "checks": run_checks, "end_to_end": run_end_to_end, "shared": run_shared}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default all")
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--octavo", type=Path, required=True)
    parser.add_argument("--no-venv", default="", help="why the oracles are missing")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for one end-to-end file")
    args = parser.parse_args()
    if unknown := [part for part in args.parts if part not in PARTS]:
        parser.error(f"unknown part {unknown[0]}: choose from {', '.join(PARTS)}")
    total, rows = Count(), []
    for part in args.parts or PARTS:
        print(f"== {part}", flush=True)
        begin = time.monotonic()
        count = PARTS[part](args)
        rows.append(f"{part:<12} {count}  ({time.monotonic() - begin:.0f} s)")
        total.add(count)
    print("== summary")
    for title, texts in (("skipped", total.reasons), ("FAILED", total.failures)):
        for text in texts:
            print(f"{title}: {text}")
    print("\n".join(rows))
    print(total)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
