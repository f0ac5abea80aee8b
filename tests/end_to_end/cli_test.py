#!/usr/bin/env python3
"""The command line from outside: exit statuses, one error line, nothing half written. Needs no oracle."""
from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OCTAVO = os.environ.get("OCTAVO", str(ROOT / "build" / "release" / "bin" / "octavo"))

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2,
          "num_key_value_heads": 1, "num_hidden_layers": 2, "vocab_size": 64, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
          "hidden_act": "silu", "rope_theta": 10000.0, "tie_word_embeddings": False, "eos_token_id": 63}


def shapes() -> dict[str, list[int]]:
    found = {"model.embed_tokens.weight": [64, 32], "model.norm.weight": [32], "lm_head.weight": [64, 32]}
    layer = {"input_layernorm": [32], "post_attention_layernorm": [32], "self_attn.q_proj": [32, 32], "self_attn.k_proj": [16, 32],
             "self_attn.v_proj": [16, 32], "self_attn.o_proj": [32, 32], "mlp.gate_proj": [64, 32], "mlp.up_proj": [64, 32],
             "mlp.down_proj": [32, 64]}
    for i in range(2):
        found |= {f"model.layers.{i}.{name}.weight": shape for name, shape in layer.items()}
    return found


def make_model(folder: Path) -> None:
    """A tiny llama with weights from a fixed congruential generator."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    header, data, state = {}, bytearray(), 12345
    for name, shape in shapes().items():
        count = 1
        for extent in shape:
            count *= extent
        values = []
        for _ in range(count):
            state = (1103515245 * state + 12345) % 2**31
            values.append(1.0 if len(shape) == 1 else (state / 2**31 - 0.5) * 0.4)
        begin = len(data)
        data += struct.pack(f"<{count}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_tensors(path: Path) -> dict[str, tuple[list[int], tuple[float, ...]]]:
    blob = path.read_bytes()
    (size,) = struct.unpack("<Q", blob[:8])
    found = {}
    for name, entry in json.loads(blob[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            found[name] = (entry["shape"], struct.unpack(f"<{(end - begin) // 4}f", blob[8 + size + begin:8 + size + end]))
    return found


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        if not os.access(OCTAVO, os.X_OK):
            raise unittest.SkipTest(f"no program at {OCTAVO}")
        cls.folder = tempfile.TemporaryDirectory()
        cls.work = Path(cls.folder.name)
        cls.model = cls.work / "model"
        make_model(cls.model)
        cls.commands = [line.split()[0] for line in cls.octavo("--help").stdout.split("commands:\n")[1].split("\n\n")[0].splitlines()]

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    @staticmethod
    def octavo(*args: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run([OCTAVO, *map(str, args)], input=stdin, capture_output=True, text=True, timeout=120, check=False)

    def fails(self, status: int, *args: str | Path, stdin: str = "") -> str:
        """The one error line of a command that ends with `status`."""
        done = self.octavo(*args, stdin=stdin)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Aoctavo: [^\n]+ \([^\n]+\): [^\n]+\n\Z")
        return done.stderr

    def test_help_and_version(self) -> None:
        self.assertRegex(self.octavo("--version").stdout, r"^octavo \d+\.\d+\.\d+\n$")
        self.assertIn("generate", self.commands)
        for command in self.commands:
            with self.subTest(command=command):
                done = self.octavo(command, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(f"octavo {command}", done.stdout)
                self.assertIn("--verbose", done.stdout)

    def test_wrong_requests_end_with_2_and_one_line(self) -> None:
        self.fails(2)
        self.assertIn("(frobnicate)", self.fails(2, "frobnicate"))
        for command in self.commands:
            with self.subTest(command=command):
                self.assertIn(f"octavo {command} --help", self.fails(2, command, "--no-such-flag", "x", "y", "z"))
        self.assertIn("(--bad)", self.fails(2, "generate", self.model, "--prompt-ids", "1", "--bad", "1", "2"))
        self.assertIn("(--threads)", self.fails(2, "generate", self.model, "--prompt-ids", "1", "--threads", "many"))
        self.assertIn("(--dtype)", self.fails(2, "generate", self.model, "--prompt-ids", "1", "--dtype", "int3"))
        self.assertIn("(--device)", self.fails(2, "generate", self.model, "--prompt-ids", "1", "--device", "opencl"))
        self.assertIn("--prompt", self.fails(2, "generate", self.model))
        self.assertIn("64", self.fails(2, "generate", self.model, "--prompt-ids", "64"))
        self.assertIn("tokenizer.json", self.fails(2, "generate", self.model, "--prompt", "hello"))
        self.assertIn("none here", self.fails(2, "inspect", self.work / "none here"))

    def test_broken_models_name_the_file(self) -> None:
        for name, text in (("config.json", "{"), ("config.json", "[]"), ("model.safetensors", "too short")):
            with self.subTest(name=name, text=text):
                broken = self.work / "broken"
                if broken.exists():
                    for file in broken.iterdir():
                        file.unlink()
                    broken.rmdir()
                make_model(broken)
                (broken / name).write_text(text, encoding="utf-8")
                self.assertIn(name, self.fails(2, "generate", broken, "--prompt-ids", "1"))

    def test_logits_cover_every_position_and_appear_whole(self) -> None:
        ids, out = self.work / "ids.jsonl", self.work / "logits.safetensors"
        ids.write_text('{"name": "a", "ids": [1, 2, 3]}\n\n{"name": "b", "ids": [1]}\n', encoding="utf-8")
        self.assertEqual(self.octavo("logits", self.model, "--ids", ids, "--out", out, "--dtype", "float32").returncode, 0)
        found = read_tensors(out)
        self.assertEqual({name: shape for name, (shape, _) in found.items()}, {"a.logits": [3, 64], "b.logits": [1, 64]})
        self.assertEqual(found["a.logits"][1][:64], found["b.logits"][1])   # the first position knows no other
        out.unlink()
        ids.write_text('{"name": "a", "ids": [1]}\n{"name": "b", "ids": [-1]}\n', encoding="utf-8")
        self.assertIn("line 2", self.fails(2, "logits", self.model, "--ids", ids, "--out", out))
        ids.write_text('{"name": "a", "ids": [1]}\n', encoding="utf-8")
        self.fails(1, "logits", self.model, "--ids", ids, "--out", self.work / "none" / "x.safetensors")
        self.assertEqual(sorted(p.name for p in self.work.iterdir() if "logits" in p.name), [])

    def generate(self, *args: str | Path, stdin: str = "") -> list[dict]:
        done = self.octavo("generate", self.model, "--dtype", "float32", *args, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_greedy_generation_follows_the_logits(self) -> None:
        [answer] = self.generate("--prompt-ids", "5, 6,7", "--temperature", "0", "--max-tokens", "6", "--ignore-eos", "--logprobs", "2", "--json")
        self.assertEqual((len(answer["ids"]), answer["finish_reason"]), (6, "length"))
        self.assertEqual(answer["usage"]["total_tokens"], 9)
        self.assertEqual({"load_s", "ttft_s", "decode_tok_s"} - set(answer["timing"]), set())
        self.assertEqual([p["rank"] for p in answer["logprobs"]], [1] * 6)
        self.assertEqual([len(p["top"]) for p in answer["logprobs"]], [2] * 6)
        ids, out = self.work / "greedy.jsonl", self.work / "greedy.safetensors"
        ids.write_text(json.dumps({"name": "g", "ids": [5, 6, 7, *answer["ids"]]}), encoding="utf-8")
        self.assertEqual(self.octavo("logits", self.model, "--ids", ids, "--out", out, "--dtype", "float32").returncode, 0)
        rows = read_tensors(out)["g.logits"][1]
        best = [max(range(64), key=lambda v, t=t: rows[t * 64 + v]) for t in range(2, 8)]
        self.assertEqual(best, answer["ids"])

    def test_a_batch_gives_the_tokens_of_each_prompt_alone_in_order(self) -> None:
        lines = [{"id": i, "ids": [i + 1] * (1 + 7 * i), "max_tokens": 3 + i, "temperature": 0.8, "seed": i} for i in range(5)]
        together = self.generate("--jsonl", "--ignore-eos", stdin="".join(json.dumps(line) + "\n" for line in lines))
        self.assertEqual([answer["id"] for answer in together], list(range(5)))
        for line, answer in zip(lines, together):
            [alone] = self.generate("--jsonl", "--ignore-eos", "--threads", "1", stdin=json.dumps(line))
            self.assertEqual((len(answer["ids"]), answer["ids"]), (line["max_tokens"], alone["ids"]))

    def test_stop_tokens_bias_and_seed(self) -> None:
        [answer] = self.generate("--prompt-ids", "1", "--logit-bias", "9:100", "--stop-token-ids", "9", "--json")
        self.assertEqual((answer["ids"], answer["finish_reason"], answer["stop_token"]), ([9], "stop", 9))
        [eos] = self.generate("--prompt-ids", "1", "--logit-bias", "63:100", "--json")   # eos_token_id of config.json
        self.assertEqual(eos["finish_reason"], "stop")
        one, same, other = (self.generate("--prompt-ids", "1", "--max-tokens", "20", "--ignore-eos", "--seed", seed, "--json")[0]["ids"]
                            for seed in ("1", "1", "2"))
        self.assertEqual(one, same)
        self.assertNotEqual(one, other)

    def test_config_file_gives_flags_and_the_command_line_wins(self) -> None:
        file = self.work / "flags.json"
        file.write_text('{"prompt_ids": "1,2", "max-tokens": 3, "ignore_eos": true, "json": true}', encoding="utf-8")
        self.assertEqual(len(self.generate("--config", file)[0]["ids"]), 3)
        self.assertEqual(len(self.generate(f"--config={file}", "--max-tokens", "5")[0]["ids"]), 5)
        file.write_text('{"max_tokenz": 3}', encoding="utf-8")
        line = self.fails(2, "generate", self.model, "--config", file)
        self.assertIn("max_tokenz", line)
        self.assertIn("flags.json", line)

    def test_inspect_tells_what_the_config_says(self) -> None:
        report = json.loads(self.octavo("inspect", self.model, "--json").stdout)
        self.assertEqual((report["architecture"], report["hidden"], report["vocab"]), ("LlamaForCausalLM", 32, 64))
        self.assertEqual(report["memory"]["kv_bytes_per_1k_tokens"]["F32"], 2 * 2 * 16 * 4 * 1000)   # layers, k and v, head size
        self.assertIn(report["memory"]["huge_pages"], ("always", "madvise", "never", "disabled", "unknown"))
        self.assertTrue(all(node["cpus"] for node in report["memory"]["numa_nodes"]))
        self.assertIn("attention", report["kernels"])
        self.assertEqual([group["layers"] for group in report["layers"]], ["0-1"])
        self.assertEqual((report["load"]["missing"], report["load"]["unused"]), ([], []))
        self.assertEqual(set(report["load"]["formats"]), {"f32"})
        self.assertIn("attention", report["spec"]["layer 0-1"])
        text = self.octavo("inspect", self.model).stdout
        self.assertIn("rms norm (eps 1e-05)", text)
        self.assertNotIn("unused", text)
        odd = self.work / "odd groups"
        self.assertEqual(self.octavo("quantize", self.model, odd, "--group-size", "24").returncode, 0)
        self.assertRegex(self.octavo("inspect", odd).stdout, r"not faster +int4 g24 in plain rows")
        supported = json.loads(self.octavo("inspect", "--supported", "--json").stdout)
        self.assertIn("LlamaForCausalLM", [family["architecture"] for family in supported["supported"]])
        self.assertIn("MixtralForCausalLM", [family["architecture"] for family in supported["open"]])

    def test_overrides_stand_for_fields_of_the_config(self) -> None:
        folder = self.work / "renamed"
        make_model(folder)
        config = folder / "config.json"
        config.write_text(config.read_text(encoding="utf-8").replace("LlamaForCausalLM", "NewForCausalLM"), encoding="utf-8")
        self.assertIn("--hf-overrides", self.fails(2, "inspect", folder))
        found = self.octavo("inspect", folder, "--json", "--hf-overrides", '{"architectures": ["LlamaForCausalLM"]}')
        self.assertEqual(json.loads(found.stdout)["architecture"], "LlamaForCausalLM")

    def test_the_page_of_models_is_what_the_registry_says(self) -> None:
        registry = self.octavo("inspect", "--supported", "--json").stdout
        page = subprocess.run([sys.executable, ROOT / "tools/write_models_page.py"], input=registry, stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertEqual((ROOT / "docs/models.md").read_text(encoding="utf-8"), page, "write it again")

    def test_completion_knows_every_command(self) -> None:
        for kind in ("bash", "zsh", "man"):
            text = self.octavo("completion", kind).stdout
            for command in self.commands:
                self.assertIn(command, text.replace("\\-", "-"))   # a manual page writes its hyphens so
        script = self.octavo("completion", "bash").stdout
        self.assertEqual(subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode, 0)

    def test_a_full_disk_under_stdout_is_a_failure(self) -> None:
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([OCTAVO, "inspect", self.model], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"\Aoctavo: [^\n]+\n\Z")


if __name__ == "__main__":
    sys.exit(unittest.main())
