#!/usr/bin/env python3
"""Every metric and label that a dashboard asks for is in the server's /metrics: our own board's (docs/grafana/octavo.json) and those of
vLLM's stock boards.

Needs the program (OCTAVO, else build/release/bin/octavo) and a model directory (OCTAVO_MODEL, else models/demo); skips and says why."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import unittest
import urllib.request
from pathlib import Path
from typing import Any

PROGRAM = Path(os.environ.get("OCTAVO", "build/release/bin/octavo"))
MODEL = os.environ.get("OCTAVO_MODEL", "models/demo")
BOARD = Path(__file__).parent.parent.parent / "docs" / "grafana" / "octavo.json"
METRIC = re.compile(r"\b(?:vllm:|octavo:|http_)\w+\b")
SELECTOR = re.compile(r"\b((?:vllm:|octavo:|http_)\w+)\{([^}]*)\}")
GROUPED = re.compile(r"by \(([^)]*)\)[^{]*\b((?:vllm:|octavo:|http_)\w+)\{")
OF_PROMETHEUS = {"instance", "job"}   # labels that the scraper adds
# What vLLM's dashboards and the gateways of Kubernetes read, with the labels they group by.
STOCK_HISTOGRAMS = ("e2e_request_latency_seconds", "time_to_first_token_seconds", "inter_token_latency_seconds", "request_prompt_tokens",
                    "request_generation_tokens", "request_queue_time_seconds", "request_prefill_time_seconds", "request_decode_time_seconds",
                    "request_max_num_generation_tokens", "request_time_per_output_token_seconds", "request_inference_time_seconds",
                    "request_params_n", "request_params_max_tokens", "iteration_tokens_total", "request_prefill_kv_computed_tokens")
STOCK = {"vllm:prompt_tokens_total": {"model_name", "engine"}, "vllm:generation_tokens_total": {"model_name", "engine"},
         "vllm:num_requests_running": {"model_name", "engine"}, "vllm:num_requests_waiting": {"model_name", "engine"},
         "vllm:kv_cache_usage_perc": {"model_name", "engine"}, "vllm:request_success_total": {"model_name", "finished_reason"},
         "vllm:prefix_cache_hits_total": {"model_name", "engine"}, "vllm:prefix_cache_queries_total": {"model_name", "engine"},
         "vllm:prompt_tokens_cached_total": {"model_name", "engine"}, "vllm:num_preemptions_total": {"model_name", "engine"},
         "vllm:num_requests_waiting_by_reason": {"model_name", "reason"}, "vllm:cache_config_info": {"block_size", "num_gpu_blocks"},
         "http_requests_total": {"handler", "method", "status"}}


def served_metrics() -> dict[str, list[set[str]]]:
    """Of a server that has answered once: the label names of each series, by metric."""
    process = subprocess.Popen([str(PROGRAM), "serve", MODEL, "--port", "0", "--max-model-len", "128"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        url = line[line.rindex("http://"):].strip()
        body = json.dumps({"prompt": "Once upon a time", "max_tokens": 8, "ignore_eos": True}).encode()
        with urllib.request.urlopen(urllib.request.Request(url + "/v1/completions", body, {"Content-Type": "application/json"})) as answer:
            answer.read()
        with urllib.request.urlopen(url + "/metrics") as answer:
            text = answer.read().decode()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
    metrics: dict[str, list[set[str]]] = {}
    for sample in text.splitlines():
        found = re.match(r"([a-zA-Z_:]\w*(?::\w+)*)(?:\{(.*)\})? \S+$", sample)
        if found:
            metrics.setdefault(found.group(1), []).append(set(re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', found.group(2) or "")))
    return metrics


def expressions(node: Any) -> list[str]:
    """All queries of a board, those of its variables too."""
    if isinstance(node, dict):
        own = [value for name, value in node.items() if name in ("expr", "definition") and isinstance(value, str)]
        return own + [text for value in node.values() for text in expressions(value)]
    return [text for value in node for text in expressions(value)] if isinstance(node, list) else []


@unittest.skipUnless(PROGRAM.is_file(), f"{PROGRAM} is not built")
@unittest.skipUnless(MODEL, "OCTAVO_MODEL names no model directory")
class GrafanaBoardTest(unittest.TestCase):
    metrics: dict[str, list[set[str]]]
    board: Any

    @classmethod
    def setUpClass(cls) -> None:
        cls.metrics = served_metrics()
        cls.board = json.loads(BOARD.read_text(encoding="utf-8"))

    def test_board_asks_only_for_what_is_there(self) -> None:
        asked = {name for text in expressions(self.board) for name in METRIC.findall(text)}
        self.assertGreater(len(asked), 20)
        self.assertEqual(sorted(asked - set(self.metrics)), [])

    def test_board_uses_only_labels_that_are_there(self) -> None:
        for text in expressions(self.board):
            for name, matchers in SELECTOR.findall(text):
                self.assert_labels(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)))
            for labels, name in GROUPED.findall(text):
                self.assert_labels(name, {label.strip() for label in labels.split(",")})

    def test_stock_boards_find_their_metrics(self) -> None:
        for name, labels in STOCK.items():
            self.assert_labels(name, labels)
        for name in STOCK_HISTOGRAMS:
            self.assert_labels(f"vllm:{name}_bucket", {"model_name", "engine", "le"})
            self.assert_labels(f"vllm:{name}_sum", {"model_name", "engine"})
            self.assert_labels(f"vllm:{name}_count", {"model_name", "engine"})

    def test_panels_stand_beside_each_other(self) -> None:
        taken: set[tuple[int, int]] = set()
        ids = set()
        for panel in self.board["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(taken & cells, panel["title"])
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            taken |= cells
            ids.add(panel["id"])
            for target in panel.get("targets", []):
                self.assertEqual(target["expr"].count("("), target["expr"].count(")"), panel["title"])
        self.assertEqual(len(ids), len(self.board["panels"]))

    def assert_labels(self, name: str, labels: set[str]) -> None:
        self.assertIn(name, self.metrics)
        for series in self.metrics[name]:
            self.assertLessEqual(labels - OF_PROMETHEUS, series, name)


if __name__ == "__main__":
    unittest.main()
