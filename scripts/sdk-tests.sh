#!/usr/bin/env bash
# The official SDKs of OpenAI and Anthropic, and every example, against the real binary, on each store.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/stores.sh

target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"
target="$(cd "$target" && pwd)"
venv="$target/sdk-venv"
stamp="$venv/requirements.sha256"

# Says what is missing, and installs it where it can.
need() {
  local package="$1"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing $package"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
  else
    echo "THE SDK TESTS NEED $package: install it and run this again" >&2
    exit 1
  fi
}

command -v python3 >/dev/null 2>&1 || need python3
python3 -c 'import ensurepip, venv' 2>/dev/null || need python3-venv
command -v node >/dev/null 2>&1 || need nodejs
command -v npm >/dev/null 2>&1 || need npm
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || {
  echo "THE SDK TESTS NEED Node 20 or newer; this is $(node --version)" >&2
  exit 1
}

hash="$(python3 --version | cat - tests/sdk/python/requirements.txt | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$hash" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/sdk/python/requirements.txt
  echo "$hash" >"$stamp"
fi
lock=tests/sdk/node/package-lock.json
installed=tests/sdk/node/node_modules/.rungate-lock
if ! cmp -s "$lock" "$installed"; then
  # Engines are a recommendation of the SDK; what it is held to is these tests.
  npm ci --prefix tests/sdk/node --no-audit --no-fund --loglevel=error
  cp "$lock" "$installed"
fi

# Nothing to do when the Rust tests have just run.
cargo build --quiet --package rungate-server --bin rungate
export RUNGATE_BIN="${RUNGATE_BIN:-$target/debug/rungate}"

# On PostgreSQL, each program of tests has a database of its own.
on() {
  local store="$1"
  shift
  if [ "$store" = postgres ]; then "$target/debug/examples/test_database" "$@"; else "$@"; fi
}
if [[ " ${stores[*]} " = *" postgres "* ]]; then
  cargo build --quiet --package rungate-testkit --example test_database
fi

for store in "${stores[@]}"; do
  echo "== Python on $store: $("$venv/bin/python" --version), $(grep -c '==' tests/sdk/python/requirements.txt) pinned packages"
  on "$store" "$venv/bin/python" -m pytest tests/sdk/python -c tests/sdk/python/pytest.ini
  echo "== Node on $store: $(node --version)"
  for file in tests/sdk/node/*.test.js; do
    on "$store" node --test --test-reporter=spec "$file"
  done
done
