# Sourced by every finding: a temporary folder that goes when the script ends, and a venv in it with public packages.
#
#   $work                              the folder
#   python_venv PACKAGE==VERSION ...   makes $work/venv with them and sets $python; PYTHON chooses another Python
#   at_end COMMAND                     runs the command when the script ends, before the folder goes

umask 077
work=$(mktemp -d)
ending=()
trap 'for command in "${ending[@]}"; do $command; done; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

at_end() {
  ending+=("$1")
}

python_venv() {
  "${PYTHON:-python3}" -m venv "$work/venv"
  python=$work/venv/bin/python
  "$python" -m pip install -qq --disable-pip-version-check "$@"
}
