run_test() {
  install_packages $build_packages $test_packages
  install_packages $(browser_package)
  make_venv
  build_targets
  # A build without any program to drive has no end-to-end tests to run.
  "$python" tools/run/test.py --build "$build_dir" --octavo "$octavo" --no-venv "$no_venv" "$@"
}
