# The commands of Holdfast. Each sees first to the system packages that it needs.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/holdfast/target

SEED ?= 1
RUNS ?= 20
ROUNDS ?= 20
SECONDS ?= 60

# The same cases of the property tests each time, so that a red suite is due to the change at hand. Another seed looks
# further: `make test PROPTEST_RNG_SEED=2`.
export PROPTEST_RNG_SEED ?= 1

.PHONY: help deps deps-test deps-bench demo test bench chaos kill-rounds fuzz

help:
	@echo "make demo         build, and run a three-node cluster on this machine with accounts ready to use"
	@echo "make test         build everything and run the whole suite"
	@echo "make bench        measure one shelf, and mail going in beside Dovecot: six minutes; ARGS=... goes to the second part"
	@echo "make chaos        simulate clusters under faults: SEED=1 RUNS=20"
	@echo "make kill-rounds  kill nodes of a real cluster while mail comes in: SEED=1 ROUNDS=20"
	@echo "make fuzz         feed parsers, frames and records with what breaks them: SECONDS=60 each, TARGETS=\"imap mime\""
	@echo "make deps         install the system packages that building needs"

deps:
	@.ci/packages build

deps-test:
	@.ci/packages test

deps-bench:
	@.ci/packages bench

demo: deps
	cargo build --locked -p node -p cli
	@exec $(CARGO_TARGET_DIR)/debug/holdfast demo

test: deps-test
	cargo test --workspace --locked

bench: deps-bench
	cargo build --locked -p node -p cli -p benches
	$(CARGO_TARGET_DIR)/debug/bench shelf
	$(CARGO_TARGET_DIR)/debug/bench delivery $(ARGS)

chaos: deps
	cargo run --quiet --locked -p chaos-tests --bin chaos -- simulate --seed $(SEED) --runs $(RUNS)

kill-rounds: deps
	cargo run --quiet --locked -p chaos-tests --bin chaos -- kill --seed $(SEED) --rounds $(ROUNDS)

fuzz: deps
	fuzz/run $(SECONDS) $(TARGETS)
