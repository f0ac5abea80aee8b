#!/usr/bin/env python3
"""Makes tests/data/pytorch: small files of torch.save for src/io/pytorch_file_test.cc, and seeds of its fuzz target.

Needs torch; the files are committed, so that tests do not. Every tensor counts upwards from some number."""
from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent


def counting(*shape: int, start: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return (torch.arange(torch.Size(shape).numel()) + start).reshape(shape).to(dtype)


class Stranger:
    """An object that no reader of tensors should build."""


def views() -> dict[str, torch.Tensor]:
    """One storage seen in many ways."""
    base = counting(4, 6)
    cube = counting(2, 3, 4, start=100)
    return {"base": base, "tied": base, "transposed": base.t(), "rows": base[1:3], "columns": base[:, 1:4], "every_second": base[::2, ::3],
            "permuted": cube.permute(2, 0, 1), "scalar": torch.tensor(7.5), "empty": torch.zeros(0, 3), "last": base[3, 5:]}


def types() -> dict[str, torch.Tensor]:
    names = ("float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool uint16 uint32 uint64 float8_e4m3fn float8_e5m2").split()
    return {name: counting(5, dtype=getattr(torch, name)) for name in names}


def module_state() -> OrderedDict:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2))
    with torch.no_grad():
        for i, parameter in enumerate(module.parameters()):
            parameter.copy_(counting(*parameter.shape, start=10 * i))
    return module.state_dict()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "data" / "pytorch")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    weight = torch.nn.Parameter(counting(2, 3))
    files = {"views": views(), "types": types(), "module": module_state(), "parameter": {"w": weight, "step": 3, "name": "x"},
             "nested": {"epoch": 3, "optimizer": {"state": {0: {"m": counting(2)}}}, "state_dict": {"module.w": counting(2, 3)}},
             "stranger": {"w": counting(2), "o": Stranger()}, "list": [counting(2)]}
    for name, value in files.items():
        torch.save(value, out / f"{name}.bin")
        if name not in ("types", "list"):   # the old form has no way to name the newer types
            torch.save(value, out / f"{name}_legacy.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
