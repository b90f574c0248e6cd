# Thin commands over cargo and scripts/. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help demo run test check bench fuzz

help: ## List the commands.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build, start, send a real four-step run, show what was recorded, keep serving (DEMO_EXIT=1: end after the check).
	cargo run --release -p rungate-server --bin rungate -- demo

run: ## Build and serve on 127.0.0.1:8787 with the data in ./rungate-data.
	cargo run --release -p rungate-server --bin rungate -- serve

test: ## Everything: Rust tests, the official SDKs against the real binary, repository checks.
	scripts/rust-tests.sh
	scripts/sdk-tests.sh
	cargo xtask tidy

check: ## Quick: format, lints, repository checks, Rust tests without the slow ones.
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo xtask tidy
	scripts/rust-tests.sh --quick

bench: ## Measure against nginx, in about five minutes after building (BENCH=full: longer); writes bench/RESULTS.md.
	cargo build --profile dist -p rungate-server -p rungate-bench
	cargo run --profile dist -p rungate-bench -- run

TARGET ?= sse
SECONDS ?= 60

fuzz: ## Look for bytes that break a reader, guided by coverage: make fuzz TARGET=journal SECONDS=600
	scripts/fuzz.sh $(TARGET) $(SECONDS)
