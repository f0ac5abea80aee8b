#!/usr/bin/env python3
"""usage: quantized_wheels.py OCTAVO. What `octavo export` writes, against the packages that define the layouts.

compressed-tensors packs the same codes to the same words. Transformers loads checkpoints of ours and gives the logits that we give; those of
GPTQ and AWQ where GPTQModel is installed too (its torch kernels round weights to float16). Ends with `skipped` where torch and the
packages are missing: they are too large for tests/requirements.txt."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

OCTAVO = sys.argv[1]
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")   # GPTQModel compiles each kernel for minutes otherwise
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "end_to_end"))
try:
    import numpy as np
    import torch
    import transformers
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)
try:
    import gptqmodel  # noqa: F401
    WITH_GPTQMODEL = True
except ImportError:
    WITH_GPTQMODEL = False

import quantized_layouts_test as made  # noqa: E402

IDS = [3, 1, 4, 1, 5, 9, 2, 6]


def octavo(*args: object) -> None:
    done = subprocess.run([OCTAVO, *map(str, args)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"octavo {' '.join(map(str, args))}: {done.stderr}")


def checkpoint(folder: Path, bits: int, sym: bool) -> dict[str, made.Matrix]:
    case = made.Case("planes", made.gptq("gptq_p"), made.gptq_section("gptq_p", bits, sym, False), bits, sym)
    tensors, matrices = made.QuantizedLayoutsTest.plain(None), case.matrices()
    for name, matrix in matrices.items():
        tensors |= case.pack(name, matrix)
    made.save(folder, made.CONFIG | {"quantization_config": case.section}, tensors)
    return matrices


def same_words(work: Path) -> int:
    """compressed-tensors packs signed codes and zeros: ours less the middle."""
    compared = 0
    for bits in range(2, 9):
        source, out = work / f"words{bits}", work / f"words{bits}-out"
        matrices = checkpoint(source, bits, False)
        octavo("export", source, out, "--format", "compressed-tensors")
        mine = made.read(out)
        for name, matrix in matrices.items():
            for part, values, dim in ((".weight_packed", matrix.codes.T, 1), (".weight_zero_point", matrix.zeros.T, 0)):
                signed = torch.from_numpy((values.astype(np.int16) - 2**(bits - 1)).astype(np.int8))
                if not np.array_equal(mine[name + part], pack_to_int32(signed, bits, packed_dim=dim).numpy()):
                    sys.exit(f"{bits} bits: {name}{part} is packed otherwise")
                compared += 1
    return compared


def logits_error(work: Path, bits: int, sym: bool, target: str) -> float:
    name = f"{target}-{bits}-{sym}"
    source, out, ids, scores = work / name, work / f"{name}-out", work / "ids.jsonl", work / f"{name}.safetensors"
    checkpoint(source, bits, sym)
    octavo("export", source, out, "--format", target)
    ids.write_text(json.dumps({"name": "p", "ids": IDS}) + "\n", encoding="utf-8")
    octavo("logits", out, "--ids", ids, "--out", scores, "--dtype", "float32")
    config = {} if target == "compressed-tensors" else {"quantization_config": transformers.AwqConfig(bits=4, backend="torch_awq")
                                                        if target.startswith("awq") else transformers.GPTQConfig(bits=bits, backend="gptq_torch")}
    model = transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32, **config)
    with torch.no_grad():
        theirs = model(torch.tensor([IDS])).logits[0].float().numpy()
    mine = made.read(scores)["p.logits"]
    return float(np.abs(mine - theirs).max() / theirs.std())


def main() -> int:
    cases = [(bits, True, "compressed-tensors", 1e-3) for bits in (3, 4, 8)]
    if WITH_GPTQMODEL:
        cases += [(4, True, "gptq", 2e-2), (4, False, "gptq-v2", 2e-2), (3, True, "gptq", 2e-2), (4, False, "awq-gemm", 2e-2)]
    with tempfile.TemporaryDirectory() as folder:
        work, failed = Path(folder), 0
        print(f"compressed-tensors: {same_words(work)} tensors packed alike")
        for bits, sym, target, allowed in cases:
            error = logits_error(work, bits, sym, target)
            failed += error > allowed
            print(f"{target} {bits} bits {'symmetric' if sym else 'with zeros'}: logits off by {error:.1e} of their spread, allowed {allowed:.0e}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
