#!/usr/bin/env bash
# All Rust tests, by cargo-nextest where it is installed; those of the whole server once more on PostgreSQL. --quick
# leaves these out, and the ones that take seconds each.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/stores.sh

has_nextest=false
if cargo nextest --version >/dev/null 2>&1; then
  has_nextest=true
else
  echo "cargo-nextest is not installed: running the tests with cargo test"
fi

if [ "${1:-}" = "--quick" ]; then
  if "$has_nextest"; then
    exec cargo nextest run --workspace -E 'not test(/crash|memory|outage|end_to_end/)'
  fi
  exec cargo test --workspace -- --skip crash --skip memory --skip outage --skip end_to_end
fi

for store in "${stores[@]}"; do
  echo "== Rust, the server on $store"
  export RUNGATE_TEST_STORE="$store"
  # The store's own tests take both stores in any case.
  what=(--workspace)
  if [ "$store" = postgres ]; then what=(--package rungate-server --test it --test api); fi
  if "$has_nextest"; then
    cargo nextest run --profile "${NEXTEST_PROFILE:-ci}" "${what[@]}"
  else
    cargo test "${what[@]}"
  fi
done
