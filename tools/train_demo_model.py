#!/usr/bin/env python3
"""Trains the bundled demo model and writes it as a model folder. See docs/demo_model.md.

The run is seeded and resumes from its checkpoint: start it again with the same --work folder.
"""

import argparse
import pathlib
import signal
import threading
import time

import torch
import torch.nn.functional as F
from demo_training import budget, optimizers, tokenizer
from demo_training.batches import Batches
from demo_training.export import export
from demo_training.network import Network, Shape
from demo_training.probe import Probe
from tokenizers import Tokenizer


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--work", type=pathlib.Path, required=True, help="folder of checkpoint, tokenizer and log"
    )
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, help="model folder to write at the end"
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="wall-clock budget of training")
    parser.add_argument(
        "--steps", type=int, default=0, help="budget in steps instead: exactly repeatable"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=2048, help="tokens of a step")
    parser.add_argument(
        "--length", type=int, default=256, help="row length before the last part of the run"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=4.0, help="time between checkpoints"
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile: about a quarter faster, needs a C++ compiler",
    )
    arguments = parser.parse_args()
    if bool(arguments.minutes) == bool(arguments.steps):
        parser.error("give --minutes or --steps")
    return arguments


def prepare_tokenizer(path, shape, seed):
    if path.exists():
        return Tokenizer.from_file(str(path))
    made = tokenizer.train(shape.vocabulary, documents=20000, seed=seed)
    if made.get_vocab_size() != shape.vocabulary:
        raise SystemExit(
            f"the tokenizer has {made.get_vocab_size()} tokens, not {shape.vocabulary}"
        )
    made.save(str(path))
    return made


class Run:
    """One training run: the state that a checkpoint keeps, and the step."""

    def __init__(self, arguments, tokenizer_):
        torch.manual_seed(arguments.seed)
        self.arguments = arguments
        self.tokenizer = tokenizer_
        self.batches = Batches(tokenizer_, arguments.seed)
        self.network = Network(Shape())
        self.probe = Probe(self.network.shape)
        self.optimizers = optimizers.build(self.network, self.probe)
        self.budget = budget.Budget(seconds=arguments.minutes * 60, steps=arguments.steps)
        self.seconds = 0.0
        self.steps = 0
        self.tokens = 0
        self._losses = self._plain_losses
        if arguments.compile:
            self._losses = torch.compile(self._plain_losses, dynamic=False)

    def _plain_losses(self, rows):
        """[b * t] nats of each token but the first of a row, and the states of the middle layer."""
        with torch.autocast("cpu", torch.bfloat16):
            logits, middle = self.network(rows[:, :-1])
        targets = rows[:, 1:].flatten()
        return F.cross_entropy(logits.float().flatten(0, 1), targets, reduction="none"), middle

    def progress(self):
        return self.budget.progress(self.seconds, self.steps)

    def step(self):
        """One update; returns the mean loss of all tokens, of answers and of the states of tales, in nats."""
        progress = self.progress()
        length = budget.row_length(progress, self.arguments.length, self.network.shape.context)
        count, mix = self.arguments.tokens // length, budget.mix(progress)
        rows, in_answer, implied = self.batches.batch(self.steps, count, length, mix)
        optimizers.set_rate(self.optimizers, budget.rate(progress))
        # Long rows come too late in a run to pay for being compiled.
        losses_of = self._losses if length == self.arguments.length else self._plain_losses
        losses, middle = losses_of(rows)
        tracked = self.probe.loss(middle, implied[:, :-1])
        in_answer = in_answer[:, 1:].flatten()
        weights = torch.where(in_answer, budget.answer_weight(progress), 1.0)
        told = (losses * weights).sum() / weights.sum()
        (told + budget.tracking_weight(progress) * tracked).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        self.tokens += in_answer.numel()
        losses = losses.detach()
        return torch.stack((losses.mean(), losses[in_answer].mean(), tracked.detach()))

    def save(self, path):
        state = {
            "network": self.network.state_dict(),
            "probe": self.probe.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "seconds": self.seconds,
            "steps": self.steps,
            "tokens": self.tokens,
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path):
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.probe.load_state_dict(state["probe"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.seconds, self.steps, self.tokens = state["seconds"], state["steps"], state["tokens"]


def report(run, mean):
    return (
        f"{run.seconds / 60:6.1f} min  step {run.steps:6d}  {run.tokens / 1e6:7.3f} M tokens  "
        f"nats/token: all {mean[0]:.4f}, answers {mean[1]:.4f}, states {mean[2]:.4f}"
    )


def train(run, checkpoint, log, stop):
    """Steps until the budget is used or `stop` is set; time spent by earlier parts counts."""
    spent_before, start = run.seconds, time.monotonic()
    saved = shown = start
    mean = None
    while run.progress() < 1.0 and not stop.is_set():
        losses = run.step()
        now = time.monotonic()
        run.seconds = spent_before + now - start
        mean = losses if mean is None else 0.98 * mean + 0.02 * losses
        if now - shown > 15.0:
            shown = now
            print(report(run, mean), file=log, flush=True)
        if now - saved > run.arguments.checkpoint_minutes * 60:
            saved = now
            run.save(checkpoint)
    run.save(checkpoint)
    if mean is not None:
        print("done:", report(run, mean), file=log, flush=True)


def main():
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    checkpoint = arguments.work / "checkpoint.pt"
    run = Run(
        arguments, prepare_tokenizer(arguments.work / "tokenizer.json", Shape(), arguments.seed)
    )
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if checkpoint.exists():
        run.restore(checkpoint)
    with open(arguments.work / "log.txt", "a", encoding="utf-8") as log:
        train(run, checkpoint, log, stop)
    if stop.is_set():
        raise SystemExit("stopped before the end: start again to go on from the checkpoint")
    export(run.network, run.tokenizer, arguments.out)


if __name__ == "__main__":
    main()
