run_bench() {
  install_packages $build_packages $bench_packages
  build_targets -DOCTAVO_BENCH=ON
  local program found=0
  for program in "$build_dir"/bench/*_bench; do
    [ -x "$program" ] || continue
    [ $# -gt 0 ] && [[ " $* " != *" $(basename "$program" _bench) "* ]] && continue
    found=1
    say "$(basename "$program")"
    "$program"
  done
  [ "$found" -eq 1 ] || { say 'no such benchmark in bench/'; return 1; }
}
