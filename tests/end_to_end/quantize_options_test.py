#!/usr/bin/env python3
"""`octavo quantize` as its options are used: recipes from files, dry runs, batches, calibration data, evaluation, messages.

Needs the program (OCTAVO, else build/release/bin/octavo); skips where it is missing."""
from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo")).absolute()
MODEL = Path("models/demo").absolute()
SMALL = ("--group-size", 64, "--samples", 8, "--seq-len", 64)  # enough to run, in seconds


def octavo(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(PROGRAM), *map(str, args)], capture_output=True, text=True, timeout=300, check=False)


@unittest.skipUnless(PROGRAM.is_file(), f"no program at {PROGRAM}")
class QuantizeOptions(unittest.TestCase):
    def setUp(self) -> None:
        self.place = tempfile.TemporaryDirectory()
        self.folder = Path(self.place.name)
        self.out = self.folder / "out"

    def tearDown(self) -> None:
        self.place.cleanup()

    def write(self, name: str, value: Any) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(value))
        return path

    def done(self, *args: object) -> dict[str, Any]:
        result = octavo("quantize", *args, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    def refused(self, *args: object) -> str:
        result = octavo("quantize", *args)
        self.assertEqual(result.returncode, 2, result.stdout + result.stderr)
        lines = [line for line in result.stderr.splitlines() if line.startswith("octavo: ")]
        self.assertEqual(len(lines), 1, result.stderr)
        self.assertFalse(self.out.exists())
        return lines[0]

    def test_the_command_line_wins_over_the_recipe_file(self) -> None:
        recipe = self.write("recipe.json", {"quant_method": "rtn", "bits": 3, "group_size": 32, "sym": True})
        plan = self.done(MODEL, self.out, "--quant-config", recipe, "--bits", 8, "--dry-run")
        self.assertEqual((plan["recipe"]["bits"], plan["recipe"]["group_size"], plan["recipe"]["sym"]), (8, 32, True))

    def test_a_dry_run_plans_and_leaves_nothing(self) -> None:
        plan = self.done(MODEL, self.out, "--method", "gptq", *SMALL, "--dry-run")
        self.assertFalse(self.out.exists())
        self.assertEqual((plan["matrices"], plan["samples"], plan["tokens"]), (56, 8, 512))
        made = self.done(MODEL, self.out, "--method", "gptq", *SMALL)
        self.assertEqual(plan["bytes_after"], made["bytes_after"])
        self.assertGreater(plan["estimated_seconds"], 0)

    def test_a_batch_gathers_all_and_goes_on_after_a_failure(self) -> None:
        batch = self.write("batch.json", {"model": str(MODEL), "group_size": 64, "runs": [
            {"name": "four", "out": str(self.folder / "four"), "bits": 4},
            {"name": "broken", "out": str(self.folder / "broken"), "model": "/no/where"},
            {"name": "eight", "out": str(self.folder / "eight"), "bits": 8}]})
        result = octavo("quantize", "--batch", batch, "--json")
        self.assertEqual(result.returncode, 1, result.stderr)
        answer = json.loads(result.stdout)
        self.assertEqual([run["name"] for run in answer["runs"]], ["four", "broken", "eight"])
        self.assertIn("no such model", answer["runs"][1]["error"])
        self.assertLess(answer["runs"][0]["bytes_after"], answer["runs"][2]["bytes_after"])
        self.assertTrue((self.folder / "eight" / "config.json").is_file())
        self.assertIn("failed: no such model", Path(answer["html"]).read_text())
        again = octavo("quantize", "--batch", batch, "--resume", "--json")
        self.assertIn("four: done before", again.stderr)
        self.assertEqual(json.loads(again.stdout)["runs"][0], answer["runs"][0])

    def test_a_batch_names_run_and_field(self) -> None:
        batch = self.write("batch.json", [{"model": str(MODEL), "out": "x", "smaples": 4}])
        self.assertIn('batch.json, run 1): did you mean "samples"?', self.refused("--batch", batch))
        batch = self.write("batch.json", [{"model": str(MODEL)}])
        self.assertIn("run 1): name a directory OUT", self.refused("--batch", batch))

    def test_evaluation_lands_in_the_report(self) -> None:
        text = self.folder / "text.txt"
        text.write_text((MODEL / "heldout.txt").read_text()[:20000])
        answer = self.done(MODEL, self.out, "--bits", 3, "--group-size", 32, "--evaluate-on", text)
        self.assertGreater(answer["evaluation"]["kl_divergence"], 0)
        report = json.loads((self.out / "quantization_report.json").read_text())
        self.assertAlmostEqual(report["evaluation"]["kl_divergence"], answer["evaluation"]["kl_divergence"])
        self.assertIn("Against the original", (self.out / "quantization_report.html").read_text())

    def test_calibration_data_decide_the_result_and_are_named(self) -> None:
        lines = self.folder / "ids.jsonl"
        lines.write_text("".join(json.dumps({"ids": [(7 * i + j) % 900 for j in range(64)]}) + "\n" for i in range(8)))
        args = (MODEL, self.out, "--method", "gptq", "--group-size", 64, "--seq-len", 64)
        answer = self.done(*args, "--calibration", lines)
        self.assertEqual((answer["calibration"]["samples"], answer["calibration"]["tokens"]), (8, 512))
        self.assertIn("only 512 tokens", octavo("quantize", MODEL, self.folder / "more", *args[2:], "--calibration", lines, "--samples", 9).stderr)

    def test_the_report_tells_how_each_matrix_and_layer_errs_beside_plain_rounding(self) -> None:
        for method in ("awq", "gptq", "awq_gptq"):
            out = self.folder / method
            self.done(MODEL, out, "--method", method, *SMALL)
            report = json.loads((out / "quantization_report.json").read_text())
            for kind, count in (("matrices", 56), ("layers", 8)):
                made, rounded = ([item[key] for item in report[kind]] for key in ("output_error", "rounding_error"))
                self.assertEqual(len(made), count)
                self.assertLess(sum(made), sum(rounded), (method, kind))
                self.assertGreater(min(made), 0)

    def test_all_problems_are_told_at_once(self) -> None:
        line = self.refused(MODEL, self.out, "--method", "awq", "--format", "awq-gemm", "--bits", 3, "--group-size", 64, "--desc-act")
        self.assertIn("act-order is GPTQ's", line)
        self.assertIn("3 bits in awq-gemm", line)

    def test_names_are_corrected(self) -> None:
        self.assertIn('did you mean "gptq"?', self.refused(MODEL, self.out, "--method", "gtpq"))
        self.assertIn('did you mean "awq-gemm"?', self.refused(MODEL, self.out, "--format", "awq_gem"))
        recipe = self.write("recipe.json", {"quant_method": "gptq", "dampening_percent": 0.1})
        self.assertIn('did you mean "damp_percent"?', self.refused(MODEL, self.out, "--quant-config", recipe))
        self.assertIn("name a directory OUT", self.refused(MODEL))


if __name__ == "__main__":
    unittest.main()
