run_lint() {
  install_packages $build_packages $lint_packages
  local failed=0 check sources jobs
  for check in tools/check_*.py; do
    say "$check"
    python3 "$check" || { [ $? -eq 77 ] || failed=1; }
  done
  say 'clang-tidy'
  build_targets
  jobs=$(build_jobs)
  mapfile -t sources < <(git ls-files 'src/**/*.cc' 'cli/*.cc' | grep -v -e '_test\.cc$' -e '_data\.cc$')
  printf '%s\n' "${sources[@]}" |
    xargs -P "$jobs" -n 4 clang-tidy-14 --quiet --extra-arg=-Wno-unknown-warning-option -p "$build_dir" 2>/dev/null || failed=1
  [ "$failed" -eq 0 ] && say 'lint: nothing to say'
  return "$failed"
}
