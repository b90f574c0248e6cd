#!/usr/bin/env bash
# All Rust tests, by cargo-nextest where it is installed. --quick leaves out the ones that take seconds each.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -z "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] && [ -z "${RUNGATE_TEST_POSTGRES_URL:-}" ]; then
  echo "NOTHING IS TESTED ON POSTGRESQL: initdb is not installed (apt-get install postgresql)" >&2
fi

slow='test(/crash|memory|outage|end_to_end/)'
if cargo nextest --version >/dev/null 2>&1; then
  if [ "${1:-}" = "--quick" ]; then
    exec cargo nextest run --workspace -E "not ($slow)"
  fi
  exec cargo nextest run --workspace --profile "${NEXTEST_PROFILE:-ci}"
fi

echo "cargo-nextest is not installed: running the tests with cargo test"
if [ "${1:-}" = "--quick" ]; then
  exec cargo test --workspace -- --skip crash --skip memory --skip outage --skip end_to_end
fi
exec cargo test --workspace
