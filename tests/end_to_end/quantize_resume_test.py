#!/usr/bin/env python3
"""Quantization that is killed, interrupted or out of space: nothing under the final name, and --resume ends in the same bytes.

Needs the program (OCTAVO, else build/release/bin/octavo) and the bundled model; skips where they are missing."""
from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo")).absolute()
MODEL = Path("models/demo").absolute()
REPORTS = ("quantization_report.json", "quantization_report.html")  # hold times


def content(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir()) if f.name not in REPORTS}


@unittest.skipUnless(PROGRAM.is_file() and MODEL.is_dir(), "no program or no bundled model")
class QuantizeResume(unittest.TestCase):
    METHODS = ("gptq", "awq", "awq_gptq")

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.work = Path(self.folder.name)

    def tearDown(self) -> None:
        self.folder.cleanup()

    @staticmethod
    def command(out: Path, method: str, *more: str) -> list[str]:
        return [str(PROGRAM), "quantize", str(MODEL), str(out), "--method", method, "--bits", "4", "--group-size", "64", "--samples", "2",
                "--seq-len", "96", "--seed", "1", *more]

    def whole(self, method: str) -> dict[str, str]:
        out = self.work / f"whole-{method}"
        subprocess.run(self.command(out, method), check=True, capture_output=True, timeout=300)
        return content(out)

    def stopped_after(self, out: Path, method: str, layers: int, kind: signal.Signals) -> int:
        """Starts the job and sends a signal once the journal says that so many layers are done."""
        process = subprocess.Popen(self.command(out, method), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        journal = out.parent / f"{out.name}.tmp-quantize" / "journal.jsonl"
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            lines = journal.read_text(errors="replace").splitlines() if journal.is_file() else []
            if sum(line.startswith('{"layer":') for line in lines) >= layers:
                break
        process.send_signal(kind)
        return process.wait(30)

    def resume(self, out: Path, method: str) -> dict[str, str]:
        done = subprocess.run(self.command(out, method, "--resume"), capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return content(out)

    def test_killed_jobs_go_on_and_end_in_the_same_bytes(self) -> None:
        for method in self.METHODS:
            wanted = self.whole(method)
            for keep_states in (True, False):
                with self.subTest(method=method, keep_states=keep_states):
                    out = self.work / f"{method}-{keep_states}"
                    self.stopped_after(out, method, 2, signal.SIGKILL)
                    self.assertFalse(out.exists())
                    work = out.parent / f"{out.name}.tmp-quantize"
                    self.assertTrue((work / "journal.jsonl").is_file())
                    if not keep_states:  # as where the disk had no room for them
                        for states in work.glob("*.states"):
                            states.unlink()
                    self.assertEqual(self.resume(out, method), wanted)
                    self.assertEqual([p.name for p in self.work.glob(f"{out.name}.*")], [])

    def test_ctrl_c_ends_at_once_with_130(self) -> None:
        out = self.work / "interrupted"
        self.assertEqual(self.stopped_after(out, "gptq", 1, signal.SIGINT), 130)
        self.assertFalse(out.exists())

    def test_a_job_with_another_recipe_begins_anew(self) -> None:
        out = self.work / "other"
        self.stopped_after(out, "awq", 1, signal.SIGKILL)
        self.assertEqual(self.resume(out, "gptq"), self.whole("gptq"))

    def test_without_resume_it_begins_anew(self) -> None:
        out = self.work / "again"
        self.stopped_after(out, "gptq", 1, signal.SIGKILL)
        subprocess.run(self.command(out, "gptq"), check=True, capture_output=True, timeout=300)
        self.assertEqual(content(out), self.whole("gptq"))

    def test_a_full_disk_is_one_line_and_can_be_gone_on_with(self) -> None:
        out = self.work / "full"
        limit = 1 << 20
        done = subprocess.run(self.command(out, "gptq"), capture_output=True, text=True, timeout=300, check=False, restore_signals=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len([line for line in done.stderr.splitlines() if line.startswith("octavo: ")]), 1, done.stderr)
        self.assertFalse(out.exists())
        self.assertEqual(self.resume(out, "gptq"), self.whole("gptq"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
