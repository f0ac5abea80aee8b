#!/usr/bin/env bash
# Suites over data kept beside the checkout: which subsets hold today, and how many at least. A line here
# only ever grows. usage: tests/shared_suites.sh OCTAVO SHARED_FOLDER
set -uo pipefail
octavo=$1 shared=$2 failed=0
shift 2
wanted=" ${*:-} "

# suite NAME SCRIPT [ARGUMENT...]: the script's exit status decides, its last line is the figure.
suite() {
  local name=$1 script=$2 log status=0
  shift 2
  [ "$wanted" != '  ' ] && [[ "$wanted" != *" $name "* ]] && return
  log=$(mktemp)
  python3 "$shared/check/$script" --octavo "$octavo" "$@" >"$log" 2>&1 || status=$?
  if [ "$status" -eq 0 ]; then
    printf 'suite %s: held    %s\n' "$name" "$(tail -n 1 "$log")"
  else
    tail -n 40 "$log" | sed 's/^/  /'
    printf 'suite %s: failed  %s\n' "$name" "$(tail -n 1 "$log")"
    failed=1
  fi
  rm -f "$log"
}

exit "$failed"
