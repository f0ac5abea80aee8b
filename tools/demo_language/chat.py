"""How a document becomes one string with special tokens. The Jinja template says the same."""

BOS, EOS, PAD = "<|bos|>", "<|eos|>", "<|pad|>"
SYSTEM, USER, ASSISTANT, END = "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL_TOKENS = (BOS, EOS, PAD, SYSTEM, USER, ASSISTANT, END)

_OPENING = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}

TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role not in ["system", "user", "assistant"] -%}
{{- raise_exception("unknown role: " + message.role) -}}
{%- endif -%}
{{- "<|" + message.role + "|>" + message.content | trim + "<|end|>" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- "<|assistant|>" -}}
{%- endif -%}
"""


def render(messages, add_generation_prompt=False):
    turns = [_OPENING[m["role"]] + m["content"].strip() + END for m in messages]
    return BOS + "".join(turns) + (ASSISTANT if add_generation_prompt else "")


def marked(document):
    """The whole document as it is trained on, special tokens written out."""
    return render(document.messages) if document.messages else BOS + document.text + EOS
