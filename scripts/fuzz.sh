#!/usr/bin/env bash
# Coverage-guided fuzzing on the stable toolchain: libFuzzer over one target of crates/rungate-fuzz.
#   scripts/fuzz.sh <target> [seconds]          look for inputs that break it, from the corpus on
#   scripts/fuzz.sh --keep <target> <input>...  take inputs into the corpus, those that reach new code
set -euo pipefail
cd "$(dirname "$0")/.."

crate=crates/rungate-fuzz
keep=""
if [ "${1:-}" = "--keep" ]; then
  keep=1
  shift
fi
target="${1:-}"
if [ -z "$target" ] || [ ! -d "$crate/corpus/$target" ]; then
  echo "usage: scripts/fuzz.sh [--keep] <target> …, one of: $(ls $crate/corpus | tr '\n' ' ')" >&2
  exit 2
fi

# These flags of the stable compiler have LLVM count edges and hand comparisons to libFuzzer. The host is named as the
# target so that they are not given to build scripts.
host="$(rustc -vV | sed -n 's/^host: //p')"
folder="${CARGO_TARGET_DIR:-target}/fuzz"
flags=(-Cpasses=sancov-module)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
  flags+=("-Cllvm-args=-sanitizer-coverage-$option")
done
RUSTFLAGS="${flags[*]}" cargo build --quiet -p rungate-fuzz --features coverage --bin rungate-fuzz \
  --profile fuzz --target "$host" --target-dir "$folder"
binary="$folder/$host/fuzz/rungate-fuzz"
export RUNGATE_FUZZ_TARGET="$target"

corpus="$crate/corpus/$target"
if [ -n "$keep" ]; then
  shift
  found="$(mktemp -d)"
  trap 'rm -rf "$found"' EXIT
  cp "$@" "$found/"
  exec "$binary" -merge=1 -max_len=4096 "$corpus" "$found"
fi

seconds="${2:-60}"
artifacts="$crate/artifacts/$target"
# What is found grows beside the build; the corpus of the repository stays as it is.
found="$folder/corpus/$target"
mkdir -p "$artifacts" "$found"
before="$(ls "$artifacts")"
if "$binary" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
  -dict="$crate/dictionaries/$target.dict" -artifact_prefix="$artifacts/" "$found" "$corpus"; then
  echo "$target: nothing found in $seconds s; new inputs are in $found"
  exit 0
fi
for name in $(ls "$artifacts"); do
  grep -qxF "$name" <<<"$before" && continue
  input="$artifacts/$name"
  small="$artifacts/small-$name"
  "$binary" -minimize_crash=1 -max_total_time=30 -exact_artifact_path="$small" "$input" >/dev/null 2>&1 || true
  [ -s "$small" ] || cp "$input" "$small"
  echo
  echo "$target fails on $small:"
  "$binary" "$small" 2>&1 | grep -A3 'panicked at' || true
  echo "again: cp $small $corpus/ && cargo test -p rungate-fuzz --test short $target"
  echo "mend it, and keep the input in $corpus under a name that says what it is"
done
exit 1
