#!/usr/bin/env python3
"""`octavo pull` and the hub cache, against a stand-in hub on this machine."""
from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cli_test import CONFIG, OCTAVO, make_model  # noqa: E402
from hub_stand_in import COMMIT, Hub, blob_id  # noqa: E402

WEIGHTS = "model.safetensors"


class PullTest(unittest.TestCase):
    def setUp(self) -> None:
        if not os.access(OCTAVO, os.X_OK):
            raise unittest.SkipTest(f"no program at {OCTAVO}")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = Path(folder.name)
        make_model(self.work / "source")
        self.weights = (self.work / "source" / WEIGHTS).read_bytes()
        files = {"config.json": json.dumps(CONFIG).encode(), WEIGHTS: self.weights, "README.md": b"# Hello", "empty.txt": b"",
                 "onnx/model.onnx": b"onnx", "with space.json": b"{}"}
        self.hub = Hub(files, {WEIGHTS})
        self.addCleanup(self.hub.close)
        self.root = self.work / "home" / "hub" / "models--org--model"

    def environment(self, **more: str) -> dict[str, str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith("HF_") and not key.lower().endswith("_proxy")}
        return env | {"HF_ENDPOINT": self.hub.endpoint, "HF_HOME": str(self.work / "home")} | more

    def octavo(self, *args: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([OCTAVO, *map(str, args)], env=self.environment(**more), capture_output=True, text=True, timeout=120, check=False)

    def pulls(self, *args: str | Path, **more: str) -> dict:
        done = self.octavo("pull", "org/model", *args, "--json", **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def fails(self, status: int, *args: str | Path, **more: str) -> str:
        done = self.octavo(*args, **more)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Aoctavo: [^\n]+ \([^\n]+\): [^\n]+\n\Z")
        return done.stderr

    def test_fills_the_cache_as_its_other_users_know_it(self) -> None:
        self.assertIn("octavo pull org/model", self.fails(2, "inspect", "org/model"))
        report = self.pulls()
        snapshot = self.root / "snapshots" / COMMIT
        self.assertEqual(report["path"], str(snapshot))
        self.assertEqual((self.root / "refs" / "main").read_text(), COMMIT)
        self.assertEqual(sorted(path.name for path in snapshot.iterdir()), ["config.json", "empty.txt", WEIGHTS, "with space.json"])
        self.assertEqual(os.readlink(snapshot / "config.json"), f"../../blobs/{blob_id(self.hub.files['config.json'])}")
        self.assertEqual((snapshot / WEIGHTS).read_bytes(), self.weights)
        self.assertFalse(list(self.root.glob("blobs/*.incomplete")))
        for name in ("org/model", f"org/model@{COMMIT}"):
            self.assertEqual(self.octavo("inspect", name, "--json").returncode, 0)
        again = self.pulls()
        self.assertEqual((again["files"], again["fetched_files"], again["fetched_bytes"]), (4, 0, 0))

    def test_fills_a_plain_folder_with_what_was_asked_for(self) -> None:
        out = self.work / "plain"
        self.pulls(out, "--include", "*.json", "onnx/*", "--exclude", "with*")
        self.assertEqual(sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()), ["config.json", "onnx/model.onnx"])
        self.assertFalse(self.root.exists())
        (out / "config.json").write_bytes(b"x" * len(self.hub.files["config.json"]))
        self.assertEqual(self.pulls(out, "--include", "config.json")["fetched_files"], 1)   # of the same size, but another

    def test_goes_on_after_dropped_connections(self) -> None:
        half = len(self.weights) // 2
        self.hub.faults = {WEIGHTS: [f"drop:{half}", "status:503", "drop:100", "status:429:0"]}
        self.assertEqual(self.pulls()["fetched_bytes"], sum(len(self.hub.files[name]) for name in (WEIGHTS, "config.json", "with space.json")))
        ranges = [range for host, _, range, _ in self.hub.log if host == "storage"]
        self.assertEqual(ranges[0], None)
        self.assertEqual(ranges[1], f"bytes={half}-")
        self.assertEqual(ranges[3], f"bytes={half + 100}-")
        self.assertEqual((self.root / "snapshots" / COMMIT / WEIGHTS).read_bytes(), self.weights)

    def test_goes_on_with_what_an_earlier_run_left(self) -> None:
        self.pulls("--exclude", WEIGHTS)
        blob = self.root / "blobs" / hashlib.sha256(self.weights).hexdigest()
        partial = Path(f"{blob}.incomplete")
        partial.write_bytes(self.weights[:1000])
        self.assertEqual(self.pulls()["fetched_bytes"], len(self.weights) - 1000)
        self.assertEqual(blob.read_bytes(), self.weights)
        for junk in (b"y" * 1000, b"y" * len(self.weights), b"y" * (len(self.weights) + 5)):   # not the beginning of this file
            blob.unlink()
            partial.write_bytes(junk)
            self.pulls()
            self.assertEqual(blob.read_bytes(), self.weights)

    def test_takes_a_server_that_ignores_ranges(self) -> None:
        self.hub.faults = {WEIGHTS: ["drop:1000", "no-range"]}
        self.pulls()
        self.assertEqual((self.root / "snapshots" / COMMIT / WEIGHTS).read_bytes(), self.weights)

    def test_fetches_a_spoiled_file_once_more_and_no_oftener(self) -> None:
        self.hub.faults = {WEIGHTS: ["spoil"], "config.json": ["short:7"]}
        self.pulls()
        self.assertEqual((self.root / "snapshots" / COMMIT / WEIGHTS).read_bytes(), self.weights)
        out = self.work / "spoiled"
        self.hub.faults = {WEIGHTS: ["spoil", "spoil"]}
        self.assertIn(f"checksum differs from the hub's ({WEIGHTS})", self.fails(1, "pull", "org/model", out))
        self.assertFalse((out / WEIGHTS).exists())
        self.assertFalse((out / f"{WEIGHTS}.incomplete").exists())

    def test_keeps_what_was_there_when_the_disk_is_full(self) -> None:
        limit = len(self.weights) // 2
        done = subprocess.run([OCTAVO, "pull", "org/model"], env=self.environment(), capture_output=True, text=True, timeout=120, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Aoctavo: cannot write: [^\n]+ free some space[^\n]+\n\Z")
        self.assertLess(self.pulls()["fetched_bytes"], len(self.weights))   # only the rest

    def test_shows_the_token_to_the_hub_alone(self) -> None:
        self.hub.token = "secret"
        self.assertIn("HF_TOKEN", self.fails(2, "pull", "org/model"))
        self.pulls(HF_TOKEN="secret")
        seen = {host: {token for h, _, _, token in self.hub.log if h == host} for host in ("hub", "storage")}
        self.assertEqual(seen["storage"], {None})
        self.assertIn("Bearer secret", seen["hub"])

    def test_says_what_is_wrong(self) -> None:
        self.assertIn("no such repository", self.fails(2, "pull", "org/other"))
        self.assertIn("no such repository", self.fails(2, "pull", "org/model", "--revision", "v9"))
        self.assertIn("no file to fetch", self.fails(2, "pull", "org/model", "--include", "*.nothing"))
        for name in ("../model", "org", "org/../model", "a/b/c"):
            self.assertIn("OWNER/NAME", self.fails(2, "pull", name))
        self.hub.faults = {"": [], "config.json": ["status:500"] * 3 + ["status:418"]}
        self.assertIn("418", self.fails(1, "pull", "org/model"))
        self.assertFalse(self.root.joinpath("refs").exists())
        self.hub.files["../escape"] = b"x"
        self.assertIn("leaves the folder", self.fails(1, "pull", "org/model"))


if __name__ == "__main__":
    unittest.main()
