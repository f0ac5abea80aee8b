#!/usr/bin/env python3
"""The structural checks find what they are there for."""
from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LONG = "int f() {\n" + "  g();\n" * 70 + "}\n"


class StructureTest(unittest.TestCase):
    def problems(self, check: str, files: dict[str, str]) -> list[str]:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {"CMakeLists.txt": "", "CMakePresets.json": "{}", **files}.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            done = subprocess.run([sys.executable, ROOT / "tools" / check, folder], stdout=subprocess.PIPE, text=True, check=False)
        lines = done.stdout.splitlines()
        self.assertEqual(done.returncode, int(not lines[-1].endswith("hold")), done.stdout)
        return lines if done.returncode else []

    def test_layers_hold_downwards_only(self) -> None:
        files = {"src/base/a.h": "", "src/model/m.h": '#include "base/a.h"\n', "src/cpu/c.h": "", "src/serve/s.h": "", "src/eval/e.h": ""}
        self.assertEqual(self.problems("check_layers.py", files), [])
        for folder, target in (("base", "model/m.h"), ("eval", "serve/s.h"), ("model", "cpu/c.h"), ("cpu", "model/m.h"),
                               ("base", "a.h"), ("base", "base/none.h"), ("base", "octavo/none.h")):
            with self.subTest(folder=folder, target=target):
                found = self.problems("check_layers.py", {**files, f"src/{folder}/x.cc": f'int i;\n#include "{target}"\n'})
                self.assertEqual(len(found), 1)
                self.assertIn(f"src/{folder}/x.cc:2: {target}", found[0])

    def test_public_headers_show_nothing_inner_or_foreign(self) -> None:
        text = "#include <vector>\n#include <nlohmann/json.hpp>\n#include \"base/a.h\"\n"
        self.assertEqual(len(self.problems("check_layers.py", {"include/octavo/a.h": text, "src/base/a.h": ""})), 2)

    def test_cmake_has_neither_globs_nor_instruction_sets(self) -> None:
        text = "# GLOB in a comment\nfile(GLOB s *.cc)\nset(f -mavx2)\n"
        self.assertEqual(len(self.problems("check_layers.py", {"src/base/CMakeLists.txt": text})), 2)

    def test_long_files_functions_and_families(self) -> None:
        self.assertIn("f has 72 lines", self.problems("check_sizes.py", {"src/base/a.cc": LONG})[0])
        self.assertEqual(self.problems("check_sizes.py", {"src/cpu/a.cc": LONG}), [])
        self.assertIn("601 lines", self.problems("check_sizes.py", {"src/base/a.cc": "\n" * 601})[0])
        self.assertEqual(self.problems("check_sizes.py", {"src/base/a_data.cc": "\n" * 601}), [])
        self.assertIn("limit 60", self.problems("check_sizes.py", {"src/model/families/x.cc": "\n" * 61})[0])

    def test_parameters_nesting_and_names(self) -> None:
        seven = "void C::f(int a, std::map<int, int> b, int c, int d, int e, int g, int h) const {\n}\n"
        self.assertIn("7 parameters", self.problems("check_sizes.py", {"src/base/a.cc": seven})[0])
        deep = "void f() {\n" + "if (a) {\n" * 5 + "}\n" * 5 + "}\n"
        self.assertIn("nests 5 deep", self.problems("check_sizes.py", {"src/base/a.cc": deep})[0])
        self.assertIn("name the noun", self.problems("check_sizes.py", {"src/base/string_utils.h": ""})[0])


if __name__ == "__main__":
    unittest.main()
