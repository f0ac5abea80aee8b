#!/usr/bin/env python3
"""Makes tests/data/pytorch: small files of torch.save for src/io/pytorch_file_test.cc, and seeds of its fuzz target.

Needs torch; the files are committed, so that tests do not. Every tensor counts upwards from some number."""
from __future__ import annotations

import argparse
import struct
import zipfile
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


def whole(value: int) -> bytes:
    if -2**31 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    size = 8 if -2**63 <= value < 2**63 else 10
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def sequence(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(whole, values)) + b"t"


def tensor(offset: int = 0, shape: tuple[int, ...] = (2, 2), strides: tuple[int, ...] = (2, 1), count: int = 4, key: bytes = text("0")) -> bytes:
    """Opcodes of a float tensor, with whatever numbers."""
    storage = b"((" + text("storage") + b"ctorch\nFloatStorage\n" + key + text("cpu") + whole(count) + b"tQ"
    return (b"ctorch._utils\n_rebuild_tensor_v2\n" + storage + whole(offset) + sequence(shape) + sequence(strides)
            + b"\x89ccollections\nOrderedDict\n)RtR")


def hostile() -> dict[str, bytes]:
    """Pickles of one tensor `w` over a storage of 16 bytes, each with one thing wrong."""
    bad = {"offset": tensor(offset=1), "offset_far": tensor(offset=2**62), "offset_negative": tensor(offset=-1), "stride": tensor(strides=(3, 1)),
           "stride_overflow": tensor(strides=(2**62, 1)), "stride_overflow_sum": tensor(strides=(2**63 - 1, 2**63 - 1)),
           "stride_negative": tensor(strides=(-2, 1)), "shape_overflow": tensor(shape=(2**32, 2**32), strides=(0, 0)),
           "shape_negative": tensor(shape=(-2, -2)), "expanded": tensor(shape=(2**20, 2**20), strides=(0, 0)), "rank": tensor(shape=(1,) * 9, strides=(1,) * 9),
           "strides_too_few": tensor(strides=(1,)), "count": tensor(count=5), "count_overflow": tensor(count=2**62), "count_huge": tensor(count=2**70),
           "no_such_storage": tensor(key=text("1")), "storage_outside": tensor(key=text("../data.pkl")), "key_is_a_number": tensor(key=whole(0)),
           "no_arguments": b"ctorch._utils\n_rebuild_tensor_v2\n)R", "empty_of_far": tensor(offset=2**62, shape=(0,), strides=(1,))}
    return {name: b"\x80\x02}" + text("w") + opcodes + b"s." for name, opcodes in bad.items()} | {
        "holds_itself": b"\x80\x02}q\x00" + text("state_dict") + b"h\x00s.", "parameter_of_itself": b"\x80\x02}(" + text("w")
        + b"ctorch._utils\n_rebuild_parameter\n]q\x00h\x00a(h\x00tRu.", "shell": b"cos\nsystem\n(" + text("true") + b"tR."}


def write_hostile(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, pickled in hostile().items():
        with zipfile.ZipFile(out / f"{name}.bin", "w") as archive:
            for entry, data in (("x/data.pkl", pickled), ("x/data/0", bytes(16))):
                archive.writestr(zipfile.ZipInfo(entry), data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "data" / "pytorch")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    write_hostile(out / "hostile")
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
