#!/usr/bin/env python3
"""`octavo bench` on the small model: the fields are there, shares are finite and positive, pages parse. No figure is held to a value."""
from __future__ import annotations

import json
import math
import os
import subprocess
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
OCTAVO = os.environ.get("OCTAVO", str(ROOT / "build" / "release" / "bin" / "octavo"))
MODEL = ROOT / "models" / "demo"
VOID = {"meta", "br"}   # never closed


class Page(HTMLParser):
    """Fails on tags that are not closed in order; collects what a page would fetch."""
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.plots = 0
        self.feed(text)
        self.close()
        if self.open:
            raise AssertionError(f"not closed: {self.open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [value or "" for key, value in attrs if key in ("src", "href")]
        self.plots += tag == "svg"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing")


class BenchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if not os.access(OCTAVO, os.X_OK):
            raise unittest.SkipTest(f"no program at {OCTAVO}")

    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.work = Path(self.folder.name)

    def tearDown(self) -> None:
        self.folder.cleanup()

    @staticmethod
    def octavo(*args: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([OCTAVO, "bench", *map(str, args)], capture_output=True, text=True, timeout=300, check=False)

    def bench(self, what: str, *args: str) -> dict[str, Any]:
        page = self.work / f"{what}.html"
        ran = self.octavo(what, MODEL, "--json", "--html", page, "--memory-mb", "4", "--runs", "2", "--threads", "2", *args)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        found = Page(page.read_text(encoding="utf-8"))
        self.assertEqual(found.fetched, [])
        self.assertGreater(found.plots, 0)
        return json.loads(ran.stdout)

    def positive(self, value: float) -> None:
        self.assertTrue(math.isfinite(value) and value > 0, value)

    def test_kernels_have_both_shares_at_every_number_of_rows(self) -> None:
        report = self.bench("kernels", "--rows", "1,8")
        self.assertEqual({row["product"] for row in report["kernels"]}, {"q+k+v", "o", "gate+up", "down", "head"})
        self.assertEqual([row["rows"] for row in report["kernels"]], [1, 8] * 5)
        for row in report["kernels"]:
            for field in ("seconds", "gb_per_s", "read_gb_per_s", "share_of_read", "gop_per_s", "peak_gop_per_s", "share_of_peak"):
                self.positive(row[field])
        self.positive(report["machine"]["read_gb_per_s"])
        self.assertEqual(report["machine"]["threads"], 2)

    def test_layers_name_every_kind_of_work(self) -> None:
        report = self.bench("layers", "--input-len", "32")
        steps = {step["step"]: step for step in report["layers"]["steps"]}
        self.assertEqual(set(steps), {"prefill", "decode"})
        layers = json.loads((MODEL / "config.json").read_text())["num_hidden_layers"]
        for step in steps.values():
            self.assertEqual(len(step["layer_seconds"]), layers)
            self.positive(step["share_of_limit"])
            kinds = {kind["kind"]: kind for kind in step["kinds"]}
            self.assertEqual(kinds["q+k+v"]["calls"], layers)
            self.assertEqual(kinds["attention"]["calls"], layers)
            for kind in ("gate+up", "attention", "head"):
                self.positive(kinds[kind]["share_of_limit"])

    def test_latency_has_the_grid_and_for_one_point_the_fields_of_vllm(self) -> None:
        report = self.bench("latency", "--batch-size", "1,2", "--input-len", "8,16", "--output-len", "4")
        self.assertEqual([(p["batch_size"], p["input_len"]) for p in report["grid"]], [(1, 8), (1, 16), (2, 8), (2, 16)])
        for point in report["grid"]:
            for field in ("ttft_s", "time_per_token_s", "decode_tokens_per_second", "share_of_read"):
                self.positive(point[field])
        self.assertNotIn("avg_latency", report)
        one = self.bench("latency", "--batch-size", "1", "--input-len", "8", "--output-len", "2")
        self.assertEqual(len(one["latencies"]), 2)
        self.assertEqual(list(one["percentiles"]), ["10", "25", "50", "75", "90", "99"])
        self.positive(one["avg_latency"])

    def test_memory_is_planned_and_measured(self) -> None:
        memory = self.bench("memory", "--input-len", "64")["memory"]
        for field in ("weights_bytes", "kv_bytes", "workspace_bytes", "logits_bytes", "planned_bytes", "measured_bytes",
                      "measured_over_planned", "peak_bytes"):
            self.positive(memory[field])
        self.assertEqual(memory["planned_bytes"],
                         sum(memory[part] for part in ("weights_bytes", "kv_bytes", "workspace_bytes", "logits_bytes")))

    def test_tables_are_for_people(self) -> None:
        ran = self.octavo("kernels", MODEL, "--rows", "1", "--runs", "1", "--memory-mb", "4")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn("of read", ran.stdout)
        self.assertIn("gate+up", ran.stdout)

    def test_wrong_requests_are_one_line(self) -> None:
        for args in (("sprint", MODEL), ("latency", MODEL, "--input-len", "9999999"), ("kernels", self.work / "none"),
                     ("kernels", MODEL, "--rows", "0")):
            ran = self.octavo(*args)
            self.assertEqual(ran.returncode, 2, ran.stderr)
            self.assertEqual(ran.stdout, "")
            self.assertTrue(ran.stderr.startswith("octavo: "), ran.stderr)


if __name__ == "__main__":
    unittest.main()
