run_build() {
  install_packages $build_packages
  if [ $# -gt 0 ]; then build_targets -- "$@"; else build_targets; fi
}
