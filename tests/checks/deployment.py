#!/usr/bin/env python3
"""The examples of docs/examples/ hold together: each parses, names only flags and routes that there are, runs as nobody, and builds with the
packages that ./run installs. Exit status 77: nothing here can parse YAML."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "docs" / "examples"
PROGRAM = Path(os.environ.get("OCTAVO_BUILD", ROOT / "build" / "release")) / "bin" / "octavo"
INSTRUCTIONS = {"FROM", "RUN", "COPY", "WORKDIR", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD", "ENV", "LABEL"}
NOT_TO_BUILD = {"ccache", "libgtest-dev", "librapidcheck-dev"}
HARDENING = {"DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "CapabilityBoundingSet": ""}


def flag_problems(name: str, text: str) -> list[str]:
    """Flags of `octavo serve` that this program does not have."""
    if not PROGRAM.is_file():
        return []
    help_text = subprocess.run([PROGRAM, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"--[a-z][\w-]*", help_text))
    return [f"{name}: octavo serve has no {flag}" for flag in sorted(set(re.findall(r"--[a-z][\w-]+", text)) - known)]


def instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def check_dockerfile() -> list[str]:
    found = instructions((EXAMPLES / "Dockerfile").read_text(encoding="utf-8"))
    problems = [f"Dockerfile: unknown instruction {word}" for word, _ in found if word not in INSTRUCTIONS]
    last = {word: rest for word, rest in found}
    stages = [rest for word, rest in found if word == "FROM"]
    if any(not re.match(r"debian:12(-slim)?( AS \w+)?$", stage) for stage in stages):
        problems.append("Dockerfile: a stage is not based on the Debian that the project is built on")
    if not re.match(r"[1-9]\d*:[1-9]\d*$", last.get("USER", "")):
        problems.append("Dockerfile: USER must be a number other than 0, which Kubernetes can check")
    for word, rest in found:
        if word == "RUN" and "apt-get install" in rest and not ("--no-install-recommends" in rest and "rm -rf /var/lib/apt/lists" in rest):
            problems.append("Dockerfile: apt-get install without --no-install-recommends or with its lists kept")
        if word in ("ENTRYPOINT", "CMD") and not rest.startswith("["):
            problems.append(f"Dockerfile: {word} in shell form would hide signals from the server")
    setup = (ROOT / "tools" / "run" / "setup.sh").read_text(encoding="utf-8")
    needs = re.search(r"^build_packages='([^']*)'", setup, re.M)
    text = " ".join(rest for word, rest in found if word == "RUN")
    for need in needs.group(1).split() if needs else ["build_packages"]:
        if need not in NOT_TO_BUILD and not any(re.search(rf"(?<!\S){re.escape(name)}(?!\S)", text) for name in need.split("|")):
            problems.append(f"Dockerfile: does not install {need}, which ./run needs to build")
    return problems + flag_problems("Dockerfile", last.get("CMD", ""))


def check_unit() -> list[str]:
    text = (EXAMPLES / "octavo.service").read_text(encoding="utf-8")
    settings = dict(re.findall(r"^(\w+)=(.*)$", text, re.M))
    problems = [f"octavo.service: {name}={value} is missing" for name, value in HARDENING.items() if settings.get(name) != value]
    command = re.search(r"^ExecStart=((?:.*\\\n)*.*)$", text, re.M)
    problems += flag_problems("octavo.service", command.group(1) if command else "")
    if shutil.which("systemd-analyze") and PROGRAM.is_file():
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / "octavo.service"
            unit.write_text(text.replace("/usr/local/bin/octavo", str(PROGRAM)), encoding="utf-8")
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
        # A machine without systemd's own units or curl has its own complaints.
        problems += [line for line in done.stderr.splitlines() if "octavo.service" in line and "curl" not in line]
    return problems


def check_manifest(documents: list[Any]) -> list[str]:
    by_kind = {document["kind"]: document for document in documents}
    pod = by_kind["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    problems = flag_problems("kubernetes.yaml", " ".join(container["args"]))
    routes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "serve").glob("routes*.cc"))
    problems += [f"kubernetes.yaml: {name}: there is no route {path}" for name, path in routes.items() if f'"{path}"' not in source]
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"] for volume in pod["volumes"]}
    if mounts != volumes:
        problems.append(f"kubernetes.yaml: volumes {sorted(mounts ^ volumes)} are not both declared and mounted")
    drain = sum(int(arg.split("=")[1]) for arg in container["args"] if arg.startswith("--shutdown-timeout="))
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    if pod["terminationGracePeriodSeconds"] < drain + pause + 5:
        problems.append("kubernetes.yaml: the grace period is shorter than preStop, drain and the last answers")
    own, labels = by_kind["Service"]["spec"]["selector"], by_kind["Deployment"]["spec"]["template"]["metadata"]["labels"]
    if own != labels or not (container["securityContext"]["readOnlyRootFilesystem"] and pod["securityContext"]["runAsNonRoot"]):
        problems.append("kubernetes.yaml: the service finds no pods, or a pod may do too much")
    return problems


def main() -> int:
    try:
        import yaml
    except ImportError:
        print("PyYAML is not installed (tests/requirements.txt)")
        return 77
    problems = check_dockerfile() + check_unit()
    problems += check_manifest(list(yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text(encoding="utf-8"))))
    scrape = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text(encoding="utf-8"))
    if scrape["scrape_configs"][0]["job_name"] != "octavo":
        problems.append("prometheus.yml: no job octavo")
    print("\n".join(problems) if problems else "examples hold together")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
