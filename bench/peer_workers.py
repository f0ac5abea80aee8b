#!/usr/bin/env python3
"""One measurement of one peer in a process of its own, run by bench/peers.py with that peer's Python: one JSON line at the end.

    peer_workers.py llama|openvino|vllm MODEL --threads N --prompt N --tokens N --requests N --request-prompt N

Each warms up with the same work first. `prefill` and `decode` are tokens/s of one sequence; `many` output tokens/s of all requests at once, their
prompts included in the time. A figure that this version of the peer cannot give is null, with the reason in `notes`."""
from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from typing import Any


def ids(count: int, seed: int) -> list[int]:
    return random.Random(seed).choices(range(300, 30000), k=count)


def rates(prompt: int, tokens: int, first_s: float, rest_s: float) -> dict[str, Any]:
    return {"prefill": prompt / first_s, "decode": (tokens - 1) / rest_s}


class Llama:
    """llama.cpp through its C interface, without the Python loops of llama-cpp-python's own class."""

    def __init__(self, args: argparse.Namespace) -> None:
        import llama_cpp                                   # pylint: disable=import-outside-toplevel,import-error
        self.args, self.lib = args, llama_cpp.llama_cpp
        self.quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.quiet, None)
        self.version = f"llama-cpp-python {llama_cpp.__version__}"
        self.model = self.lib.llama_model_load_from_file(args.model.encode(), self.lib.llama_model_default_params())
        if not self.model:
            raise RuntimeError("cannot load the model")
        self.vocab = self.lib.llama_vocab_n_tokens(self.lib.llama_model_get_vocab(self.model))

    def context(self, tokens: int, sequences: int) -> Any:
        settings = self.lib.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch = tokens, max(512, self.args.prompt), 512
        settings.n_seq_max, settings.kv_unified = sequences, True
        settings.n_threads = settings.n_threads_batch = self.args.threads
        return self.lib.llama_init_from_model(self.model, settings)

    def decode(self, context: Any, rows: list[tuple[int, int, int, bool]]) -> None:
        """Rows of (token, position, sequence, whether its logits are wanted)."""
        batch = self.lib.llama_batch_init(len(rows), 0, 1)
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, position, 1, wanted
            batch.seq_id[i][0] = sequence
        code = self.lib.llama_decode(context, batch)
        self.lib.llama_batch_free(batch)
        if code != 0:
            raise RuntimeError(f"llama_decode: {code}")

    def pick(self, context: Any, row: int) -> int:
        """Some token of this row; looks at few logits, since Python would look slowly."""
        logits = self.lib.llama_get_logits_ith(context, row)
        return max(range(300, min(self.vocab, 30000), 997), key=lambda i: logits[i])

    def single(self) -> dict[str, Any]:
        a = self.args
        context, found = self.context(a.prompt + a.tokens + 8, 1), {}
        for _ in range(2):
            self.lib.llama_memory_clear(self.lib.llama_get_memory(context), True)
            begin = time.perf_counter()
            prompt = ids(a.prompt, 1)
            self.decode(context, [(t, i, 0, i + 1 == a.prompt) for i, t in enumerate(prompt)])
            token, first = self.pick(context, -1), time.perf_counter()
            for i in range(a.tokens - 1):
                self.decode(context, [(token, a.prompt + i, 0, True)])
                token = self.pick(context, -1)
            found = rates(a.prompt, a.tokens, first - begin, time.perf_counter() - first)
        self.lib.llama_free(context)
        return found

    def many(self) -> float:
        a = self.args
        context = self.context(a.requests * (a.request_prompt + a.tokens + 8), a.requests)
        begin = time.perf_counter()
        tokens = []
        for first in range(0, a.requests, 8):              # eight prompts a call
            rows = [(t, i, s, i + 1 == a.request_prompt) for s in range(first, min(first + 8, a.requests))
                    for i, t in enumerate(ids(a.request_prompt, s))]
            self.decode(context, rows)
            tokens += [self.pick(context, i) for i, row in enumerate(rows) if row[3]]
        for i in range(a.tokens - 1):
            self.decode(context, [(tokens[s], a.request_prompt + i, s, True) for s in range(a.requests)])
            tokens = [self.pick(context, s) for s in range(a.requests)]
        return a.requests * a.tokens / (time.perf_counter() - begin)


class OpenVino:
    """OpenVINO GenAI on the same GGUF file, which it turns into its own form as it loads."""

    def __init__(self, args: argparse.Namespace) -> None:
        import openvino_genai                              # pylint: disable=import-outside-toplevel,import-error
        self.args, self.genai = args, openvino_genai
        self.version = f"openvino-genai {openvino_genai.__version__}"
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.max_num_batched_tokens, scheduler.enable_prefix_caching, scheduler.cache_size = 2048, False, 2
        self.pipe = openvino_genai.LLMPipeline(args.model, "CPU", scheduler_config=scheduler, INFERENCE_NUM_THREADS=args.threads)
        self.tokenizer = self.pipe.get_tokenizer()

    def config(self, tokens: int) -> Any:
        config = self.genai.GenerationConfig()
        config.max_new_tokens, config.ignore_eos, config.do_sample, config.apply_chat_template = tokens, True, False, False
        return config

    def inputs(self, rows: list[list[int]]) -> Any:
        import numpy                                       # pylint: disable=import-outside-toplevel
        import openvino                                    # pylint: disable=import-outside-toplevel,import-error
        table = numpy.array(rows, numpy.int64)
        return self.genai.TokenizedInputs(openvino.Tensor(table), openvino.Tensor(numpy.ones_like(table)))

    def single(self) -> dict[str, Any]:
        a, found = self.args, {}
        for _ in range(2):
            result = self.pipe.generate(self.inputs([ids(a.prompt, 1)]), self.config(a.tokens))
            metrics = result.perf_metrics
            first = metrics.get_ttft().mean / 1e3
            found = {"prefill": a.prompt / first, "decode": 1e3 / metrics.get_tpot().mean}
        return found

    def many(self) -> float:
        a = self.args
        begin = time.perf_counter()
        result = self.pipe.generate(self.inputs([ids(a.request_prompt, s) for s in range(a.requests)]), self.config(a.tokens))
        spent = time.perf_counter() - begin
        return sum(len(t) for t in result.tokens) / spent


class Vllm:
    """vLLM's CPU build on the GPTQ checkpoint."""

    def __init__(self, args: argparse.Namespace) -> None:
        os.environ |= {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_CPU_OMP_THREADS_BIND": f"0-{args.threads - 1}", "HF_HUB_OFFLINE": "1",
                       "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR", "OMP_NUM_THREADS": str(args.threads)}
        import vllm                                        # pylint: disable=import-outside-toplevel,import-error
        self.args, self.vllm = args, vllm
        self.version = f"vllm {vllm.__version__}"
        self.engine = vllm.LLM(model=args.model, dtype="bfloat16", max_model_len=2048, enable_prefix_caching=False, max_num_seqs=args.requests,
                               disable_log_stats=True)

    def run(self, prompts: list[list[int]], tokens: int) -> float:
        begin = time.perf_counter()
        self.engine.generate([{"prompt_token_ids": p} for p in prompts],
                             self.vllm.SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True), use_tqdm=False)
        return time.perf_counter() - begin

    def single(self) -> dict[str, Any]:
        a, first, all_s = self.args, 0.0, 0.0
        for _ in range(2):
            first = self.run([ids(a.prompt, 1)], 1)
            all_s = self.run([ids(a.prompt, 1)], a.tokens)
        return rates(a.prompt, a.tokens, first, max(all_s - first, 1e-6))

    def many(self) -> float:
        a = self.args
        return a.requests * a.tokens / self.run([ids(a.request_prompt, s) for s in range(a.requests)], a.tokens)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=("llama", "openvino", "vllm"))
    parser.add_argument("model")
    for name in ("threads", "prompt", "tokens", "requests", "request-prompt"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args()
    peer = {"llama": Llama, "openvino": OpenVino, "vllm": Vllm}[args.peer](args)
    found: dict[str, Any] = {"version": peer.version, "prefill": None, "decode": None, "many": None, "notes": []}
    for name, work in (("single", peer.single), ("many", peer.many)):
        if name == "many" and args.requests == 0:
            continue
        try:
            value = work()
            found |= value if isinstance(value, dict) else {"many": value}
        except Exception as wrong:                         # pylint: disable=broad-exception-caught
            found["notes"].append(f"{name}: {type(wrong).__name__}: {str(wrong)[:200]}")
    print("\n" + json.dumps(found), flush=True)
    os._exit(0)                                            # the engines' own threads are not waited for


if __name__ == "__main__":
    sys.exit(main())
