#!/usr/bin/env bash
# Suites over data kept beside the checkout: which subsets hold today, and how many at least. A line here
# only ever grows. usage: tests/shared_suites.sh OCTAVO SHARED_FOLDER [SUITE...]
set -uo pipefail
octavo=$1 shared=$2 failed=0
shift 2
wanted=" ${*:-} "

# suite NAME MINIMUM SCRIPT [ARGUMENT...]: the script's last line says "N of M"; N must reach the minimum.
suite() {
  local name=$1 minimum=$2 script=$3 log figure held
  shift 3
  [ "$wanted" != '  ' ] && [[ "$wanted" != *" $name "* ]] && return
  log=$(mktemp)
  python3 "$shared/check/$script" --octavo "$octavo" "$@" >"$log" 2>&1
  figure=$(tail -n 1 "$log")
  held=$(sed -nE 's/.*: ([0-9]+) of [0-9]+ .*/\1/p' <<<"$figure")
  if [ "${held:-0}" -ge "$minimum" ]; then
    printf 'suite %s: held    %s (at least %s)\n' "$name" "$figure" "$minimum"
  else
    tail -n 60 "$log" | grep -v -e ' pass  ' | sed 's/^/  /'
    printf 'suite %s: failed  %s (at least %s)\n' "$name" "$figure" "$minimum"
    failed=1
  fi
  rm -f "$log"
}

# Everything but mixtures, latent attention, state spaces, encoders and pictures.
suite parity 75 parity.py --only apertus aquila-alias arcee baichuan-7b biogpt bitnet bloom chatglm codegen cohere cohere2 \
  decilm ernie4_5 exaone3 exaone4 falcon-40b falcon-7b falcon-rw-alibi gemma gemma2 gemma3_text glm glm4 gpt2 gpt_bigcode \
  gpt_neo gpt_neox gpt_neox-serial gptj granite helium hunyuan_v1_dense internlm internlm2 internlm3 jais2 'llama-*' minicpm \
  ministral ministral3 mistral mistral-nowindow mpt nemotron olmo olmo2 olmo3 opt opt-postln-proj persimmon phi phi3 \
  phi3-longrope qwen-v1 qwen2 qwen2-bf16 qwen2-fp16 qwen2-tied-window qwen3 seed_oss smollm3 stablelm \
  stablelm-parallel-qknorm starcoder2 xglm yi-alias
suite tokenizers 5178 tokenizers.py
suite templates 4576 templates.py
suite hostile_files 132 hostile_files.py
suite quantization 85 quantization.py
# One event may fail on a machine that others keep busy: what a resume costs in processor time.
suite interrupt 8 interrupt.py --kills 2
suite eval 5 eval_check.py
served=models/demo
# What other parts bring: grammars, tools, other protocols, adapters, drafts. Some checks wait for times, so one may be late.
suite serving 541 serving.py --model "$served" --skip structured,tools,responses,anthropic,lora,spec
suite hostile 380 hostile.py --model "$served"
suite disconnect 24 disconnect.py --model "$served"
# Its prompts need a tokenizer that knows whole words, and a longer context than the bundled model has.
if [ "$wanted" = '  ' ] || [[ "$wanted" == *" invariance "* ]]; then
  random_model=$(mktemp -d)
  python3 tools/random_checkpoint.py "$random_model" --family llama --hidden 64 --layers 2 --heads 4 --kv-heads 2 --ffn 128 \
    --vocab 50257 --positions 2048 --dtype float32 >/dev/null
  cp "$shared"/tokenizers/gpt2/tokenizer.json "$random_model"/
  rm -f "$random_model"/generation_config.json
  suite invariance 169 invariance.py --model "$random_model"
  rm -rf "$random_model"
fi

exit "$failed"
