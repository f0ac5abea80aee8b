# The demo: one small model through the whole tool. Everything it makes goes into a folder that it removes.

demo_dir='' demo_server=''

demo_clean() {
  if [ -n "$demo_server" ]; then
    kill "$demo_server" 2>/dev/null || true
    wait "$demo_server" 2>/dev/null || true
  fi
  [ -n "$demo_dir" ] && rm -rf "$demo_dir"
  return 0
}

mib() { du -sbL "$@" | awk '{ sum += $1 } END { printf "%.2f MiB", sum / 1048576 }'; }

# Tokens a second of a greedy continuation, from the program's own timing; the best of three.
decode_speed() {
  local _
  for _ in 1 2 3; do
    "$octavo" generate "$1" --prompt "Once upon a time" --temperature 0 --max-tokens 64 --ignore-eos --json
  done | python3 -c 'import json, sys
print("%.0f tokens/s" % max(json.loads(line)["timing"]["decode_tok_s"] for line in sys.stdin))'
}

wait_until_ready() {
  local _
  for _ in $(seq 300); do
    curl -sf "$1/health" >/dev/null && return
    kill -0 "$demo_server" 2>/dev/null || break
    sleep 0.1
  done
  cat "$demo_dir/server.log" >&2
  return 1
}

ask() {
  curl -sN "$1/v1/chat/completions" -H 'Content-Type: application/json' -d '{
    "model": "demo", "stream": true, "max_tokens": 96, "temperature": 0, "messages":
    [{"role": "user", "content": "'"$2"'"}]}' | python3 -u -c '
import json, sys
for line in sys.stdin:
    if line.startswith("data: {"):
        for choice in json.loads(line[6:]).get("choices", []):
            print(choice.get("delta", {}).get("content") or "", end="", flush=True)
print()'
}

run_demo() {
  local model=models/demo port url
  install_packages $build_packages $demo_packages
  build_targets -- octavo
  trap demo_clean EXIT
  demo_dir=$(mktemp -d)

  say "quantizing $model to 4 bits"
  "$octavo" quantize "$model" "$demo_dir/demo-int4" --method awq_gptq --samples 32 --seq-len 256 --bits 4 --group-size 64

  say 'perplexity on text that it was not trained on'
  "$octavo" eval "$demo_dir/demo-int4" --baseline "$model" --tasks perplexity \
    --data "$model/heldout.txt"
  printf 'size on disk   %s -> %s\n' "$(mib "$model"/*.safetensors)" "$(mib "$demo_dir"/demo-int4/*.safetensors)"
  printf 'speed          %s -> %s\n' "$(decode_speed "$model")" "$(decode_speed "$demo_dir/demo-int4")"

  say 'serving the quantized model'
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  url=http://127.0.0.1:$port
  "$octavo" serve "$demo_dir/demo-int4" --host 127.0.0.1 --port "$port" --served-model-name demo \
    >"$demo_dir/server.log" 2>&1 &
  demo_server=$!
  wait_until_ready "$url"
  say "asking it: curl $url/v1/chat/completions"
  local question
  for question in 'What is 12 plus 30?' 'Reverse: 62, 77, 47.' \
    'Write as JSON: Tom is 31 years old, is in the mill and has a lamp and a key.'; do
    printf '> %s\n' "$question"
    ask "$url" "$question"
  done
  say 'done'
}
