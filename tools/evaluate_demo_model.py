#!/usr/bin/env python3
"""Measures a demo model with transformers: perplexity, entropy, multiple choice, chat answers."""

import argparse
import collections
import itertools
import json
import math
import pathlib

import torch
import torch.nn.functional as F
from demo_language import chat, documents, tales
from demo_language.source import Source
from transformers import AutoModelForCausalLM, AutoTokenizer


class Judge:
    """A loaded model; all figures come from `log_probabilities`."""

    def __init__(self, folder):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def encode(self, text):
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def log_probabilities(self, ids):
        """Natural log p of ids[1:], each given all before it."""
        with torch.no_grad():
            logits = self.model(torch.tensor([ids])).logits[0, :-1]
        return F.log_softmax(logits, dim=-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]

    def log_probability_of_each(self, context, endings):
        """Sum of log p over the tokens of each ending after the context, which is read once."""
        longest = max(map(len, endings))
        rows = torch.tensor([e + [0] * (longest - len(e)) for e in endings])
        with torch.no_grad():
            before = self.model(torch.tensor([context]), use_cache=True)
            cache = before.past_key_values
            cache.batch_repeat_interleave(len(endings))
            after = self.model(rows, past_key_values=cache).logits
        first = before.logits[:, -1:].expand(len(endings), -1, -1)
        logs = F.log_softmax(torch.cat((first, after[:, :-1]), dim=1), dim=-1)
        chosen = logs.gather(2, rows[:, :, None])[:, :, 0]
        return [chosen[i, : len(e)].sum().item() for i, e in enumerate(endings)]

    def answer(self, messages):
        ids = self.encode(
            self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
        with torch.no_grad():
            out = self.model.generate(
                torch.tensor([ids]),
                attention_mask=torch.ones(1, len(ids)),
                do_sample=False,
                max_new_tokens=120,
            )
        return self.tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True)


def perplexity(judge, path, window):
    """Windows that do not overlap, each with BOS before it; all its tokens count."""
    ids = judge.encode(path.read_text(encoding="utf-8"))
    bos = judge.tokenizer.bos_token_id
    parts = [[bos] + ids[i : i + window - 1] for i in range(0, len(ids), window - 1)]
    total = sum(judge.log_probabilities(part).sum().item() for part in parts)
    return math.exp(-total / len(ids)), len(ids)


def against_entropy(judge, seed, count):
    """Bits per token of fresh documents that fit the context: (model, generator)."""
    model = generator = 0.0
    tokens = 0
    for document in itertools.islice(documents.stream("entropy", seed), count):
        ids = judge.encode(chat.marked(document))
        if len(ids) > judge.model.config.max_position_embeddings:
            continue
        model -= judge.log_probabilities(ids).sum().item() / math.log(2)
        generator += document.bits
        tokens += len(ids) - 1
    return model / tokens, generator / tokens


def multiple_choice(judge, path, limit):
    """Right items by kind: the answer with the greatest sum of log p over " " + ending."""
    right, asked = collections.Counter(), collections.Counter()
    for line in itertools.islice(path.open(encoding="utf-8"), limit):
        item = json.loads(line)
        context = [judge.tokenizer.bos_token_id] + judge.encode(item["ctx"])
        endings = [judge.encode(" " + ending) for ending in item["endings"]]
        scores = judge.log_probability_of_each(context, endings)
        asked[item["kind"]] += 1
        right[item["kind"]] += scores.index(max(scores)) == item["label"]
    return right, asked


def chat_answers(judge, seed, count):
    """Greedy answers equal to the generator's, by kind; earlier turns are the generator's."""
    right, asked = collections.Counter(), collections.Counter()
    conversations = (d for d in documents.stream("chat check", seed) if d.messages)
    for document in itertools.islice(conversations, count):
        answers = [at for at, m in enumerate(document.messages) if m["role"] == "assistant"]
        for at, kind in zip(answers, document.kinds):
            if document.messages[at - 1]["content"].startswith("Tell me a tale"):
                continue  # any tale would do
            asked[kind] += 1
            given = judge.answer(list(document.messages[:at]))
            right[kind] += given == document.messages[at]["content"]
    return right, asked


def samples(judge, seed):
    tale, world = tales.tell(Source(f"samples/{seed}"))
    question = tales.questions_about(world)[0]
    asked = [
        "Hello!",
        f"{tale}\n{question.text}",
        "What is 27 + 35?",
        "Sort: 34, 7, 81, 20.",
        "Who is Mira?",
        "Write as JSON: Tom is 31 years old, is in the mill and has a lamp and a key.",
        "Tell me a tale about Ana.",
    ]
    for text in asked:
        yield text, judge.answer([{"role": "user", "content": text}])


def print_shares(title, right, asked):
    print(
        f"{title}: {sum(right.values())} of {sum(asked.values())} = "
        f"{100 * sum(right.values()) / sum(asked.values()):.1f} %"
    )
    for kind in sorted(asked):
        print(f"  {kind}: {right[kind]} of {asked[kind]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument(
        "--data",
        type=pathlib.Path,
        help="folder of heldout.txt and choices.jsonl (default: the model)",
    )
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--documents", type=int, default=300)
    parser.add_argument("--conversations", type=int, default=40)
    parser.add_argument("--items", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    data = arguments.data or arguments.model
    judge = Judge(arguments.model)
    value, tokens = perplexity(judge, data / "heldout.txt", arguments.window)
    _, bits = documents.long_page("heldout", arguments.seed, documents.HELDOUT_SIZE)
    print(f"held-out perplexity: model {value:.4f}, generator {2 ** (bits / tokens):.4f}")
    print(f"  ({tokens} tokens, windows of {arguments.window})")
    model, generator = against_entropy(judge, arguments.seed, arguments.documents)
    print(
        f"bits per token on fresh documents: model {model:.4f}, generator {generator:.4f}, "
        f"excess {model - generator:.4f}"
    )
    print_shares(
        "multiple choice", *multiple_choice(judge, data / "choices.jsonl", arguments.items)
    )
    print_shares(
        "greedy chat answers", *chat_answers(judge, arguments.seed, arguments.conversations)
    )
    for asked, answered in samples(judge, arguments.seed):
        print(f"\nuser: {asked}\nassistant: {answered}")


if __name__ == "__main__":
    main()
