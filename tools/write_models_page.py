#!/usr/bin/env python3
"""Writes docs/models.md from the registry: octavo inspect --supported --json on stdin, the page on stdout.

    build/release/bin/octavo inspect --supported --json | tools/write_models_page.py > docs/models.md"""
from __future__ import annotations

import json
import sys

HEAD = """# Models

Written by `tools/write_models_page.py` from the program's own registry (`octavo inspect --supported`); do not edit.

A model is a directory in Hugging Face layout. Its family is found by `architectures` in `config.json`, else by `model_type`.
An old family under a new name runs with one more key in the config, `"architecture_alias": "LlamaForCausalLM"`, or without
touching the file:

    octavo generate DIR --hf-overrides '{"architectures": ["LlamaForCausalLM"]}' --prompt Hello

"""


def page(registry: dict) -> str:
    aliases: dict[str, list[str]] = {}
    for row in registry["supported"]:
        key = row["model_type"] or list(aliases)[-1]
        aliases.setdefault(key, []).append(row["architecture"])
    lines = ["| `model_type` | `architectures` |", "| --- | --- |"]
    lines += [f"| {kind} | {', '.join(names)} |" for kind, names in aliases.items()]
    needs: dict[str, list[str]] = {}
    for row in registry["open"]:
        needs.setdefault(row["needs"], []).append(row["architecture"])
    lines += ["", "Known and not yet running:", "", "| needs | `architectures` |", "| --- | --- |"]
    lines += [f"| {need} | {', '.join(names)} |" for need, names in needs.items()]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(json.load(sys.stdin)))
