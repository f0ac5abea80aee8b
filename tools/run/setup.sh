# Sourced by ./run: packages, the Python environment of the tests, configure and build.

preset=${OCTAVO_PRESET:-release}
build_dir=build/$preset
octavo=$build_dir/bin/octavo

say() { printf '== %s\n' "$*"; }

# Each line is one need; alternatives (Debian and Ubuntu differ) are separated by |.
build_packages='
g++ cmake ninja-build ccache pkg-config
nlohmann-json3-dev libsimdjson-dev libcli11-dev libpcre2-dev libutf8proc-dev
libsentencepiece-dev libedit-dev
libboost1.83-dev|libboost1.81-dev libssl-dev libcurl4-openssl-dev libgtest-dev librapidcheck-dev'
test_packages='python3 python3-venv ca-certificates curl binutils'
demo_packages='python3 curl'
bench_packages='libbenchmark-dev'
lint_packages='python3 git clang-format-14 clang-tidy-14'

is_installed() {
  dpkg-query -W -f='${Status}\n' "$1" 2>/dev/null | grep -q '^install ok installed$'
}

# The browser of the page's tests, where the distribution has it as a package of its own (100 MB). Ubuntu's is a snap, which no container
# runs; without one those tests are skipped.
browser_package() {
  apt-cache policy chromium 2>/dev/null | grep -q 'Candidate: [^(]' && echo chromium
  return 0
}

# Prints the needs of its arguments that no installed package meets.
missing_packages() {
  local need name
  for need in "$@"; do
    for name in ${need//|/ }; do
      is_installed "$name" && continue 2
    done
    printf '%s\n' "$need"
  done
}

# Of "a|b" the first that this release of the distribution offers.
offered_package() {
  local name
  for name in ${1//|/ }; do
    if apt-cache policy "$name" 2>/dev/null | grep -q 'Candidate: [^(]'; then
      printf '%s\n' "$name"
      return
    fi
  done
  printf '%s\n' "${1%%|*}"
}

install_packages() {
  local missing needed=() need as_root=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "no apt here: assuming that these are installed: $*"
    return
  fi
  [ $# -eq 0 ] && return
  missing=$(missing_packages "$@")
  [ -z "$missing" ] && return
  if [ -n "${OCTAVO_NO_INSTALL:-}" ]; then
    say "not installed (OCTAVO_NO_INSTALL): ${missing//$'\n'/ }"
    return
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      printf 'octavo: packages are missing (%s): install them as root\n' "${missing//$'\n'/ }" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  say "installing ${missing//$'\n'/ }"
  "${as_root[@]}" apt-get update -qq -o Acquire::Retries=3
  for need in $missing; do needed+=("$(offered_package "$need")"); done
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "${needed[@]}" </dev/null >/dev/null
}

# Sets $python: the interpreter of .venv, or python3 alone with the reason in $no_venv.
make_venv() {
  python=python3 no_venv=
  local log=.venv/pip.log
  if [ -x .venv/bin/python ] && cmp -s tests/requirements.txt .venv/installed.txt; then
    python=$PWD/.venv/bin/python
    return
  fi
  rm -rf .venv
  say "making .venv for the test oracles"
  if ! python3 -m venv .venv >/dev/null 2>&1; then
    no_venv='python3 -m venv failed'
  elif ! .venv/bin/python -m pip install -q --only-binary :all: --disable-pip-version-check \
      -r tests/requirements.txt </dev/null >"$log" 2>&1; then
    no_venv="pip could not install tests/requirements.txt: $(tail -n 1 "$log" | cut -c1-120)"
  else
    cp tests/requirements.txt .venv/installed.txt
    python=$PWD/.venv/bin/python
    return
  fi
  say "tests that need the oracles will be skipped: $no_venv"
}

# One job a core, but a gibibyte of memory for each: the heaviest source needs 0.8.
build_jobs() {
  local cores memory_gib
  cores=$(nproc)
  memory_gib=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo 2>/dev/null)
  memory_gib=${memory_gib:-$cores}
  [ "$memory_gib" -lt 1 ] && memory_gib=1
  echo $((cores < memory_gib ? cores : memory_gib))
}

# build_targets [CMAKE_DEFINITION...] [-- TARGET...]
build_targets() {
  local definitions=() targets=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do definitions+=("$1"); shift; done
  [ $# -gt 0 ] && shift
  for target in "$@"; do targets+=(--target "$target"); done
  [ -w "${HOME:-/nonexistent}" ] || export CCACHE_DIR=${CCACHE_DIR:-$PWD/.cache/ccache}
  say "building ($preset)"
  local log
  log=$(mktemp)
  if ! cmake --preset "$preset" "${definitions[@]}" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
  cmake --build "$build_dir" -j"$(build_jobs)" "${targets[@]}"
}
