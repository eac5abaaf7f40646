# The commands of Holdfast. Each sees first to the system packages that it needs.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/holdfast/target

SEED ?= 1
RUNS ?= 20
ROUNDS ?= 20
SECONDS ?= 60
bench: ARGS ?= all

# The same cases of the property tests each time, so that a red suite is due to the change at hand. Another seed looks
# further: `make test PROPTEST_RNG_SEED=2`.
export PROPTEST_RNG_SEED ?= 1

# Where `make install` puts things, as GNU's makefiles name it.
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share
DOCDIR ?= $(DATADIR)/doc/holdfast
MANDIR ?= $(DATADIR)/man
BASHDIR ?= $(DATADIR)/bash-completion/completions
ZSHDIR ?= $(DATADIR)/zsh/site-functions
FISHDIR ?= $(DATADIR)/fish/vendor_completions.d
SYSTEMDDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
TARBALL ?= holdfast.tar.gz

.PHONY: help deps deps-test deps-bench build install tarball demo test bench bench-micro profile chaos kill-rounds power-cuts link-cuts fuzz

help:
	@echo "make demo         build, and run a three-node cluster on this machine with accounts ready to use"
	@echo "make test         build everything and run the whole suite"
	@echo "make bench        measure what everything costs, beside Dovecot: half an hour; ARGS=mixed is one part, ARGS=--help lists them"
	@echo "make bench-micro  count instructions of the hot paths; fails when one got a tenth dearer; ARGS=--update takes the new counts"
	@echo "make profile      where the CPU of the nodes goes: ARGS=\"delivery --servers three-nodes\""
	@echo "make chaos        simulate clusters under faults: SEED=1 RUNS=20"
	@echo "make kill-rounds  kill nodes of a real cluster while mail comes in: SEED=1 ROUNDS=20"
	@echo "make power-cuts   cut the power of nodes of a real cluster while mail comes in: SEED=1 ROUNDS=20; needs /dev/fuse and root"
	@echo "make link-cuts    the same with links of shelves, which come back: SEED=1 ROUNDS=20"
	@echo "make install      build, and install into PREFIX=/usr/local below DESTDIR, with a unit for systemd"
	@echo "make tarball      the same as a tarball, to be unpacked at the root of other machines: TARBALL=holdfast.tar.gz"
	@echo "make fuzz         feed parsers, frames and records with what breaks them: SECONDS=60 each, TARGETS=\"imap mime\""
	@echo "make deps         install the system packages that building needs"

deps:
	@.ci/packages build

deps-test:
	@.ci/packages test

deps-bench:
	@.ci/packages bench

build: deps
	cargo build --locked -p node -p cli

# A directory with programs that are built already, such as by another user: make install BUILT=target/debug
ifndef BUILT
BUILT := $(CARGO_TARGET_DIR)/debug
install: build
endif

# Line numbers stay out, which halves the programs; the names of functions stay in for a backtrace.
install:
	install -d $(addprefix $(DESTDIR),$(BINDIR) $(DOCDIR) $(SYSTEMDDIR) $(SYSUSERSDIR) $(TMPFILESDIR))
	for program in holdfast holdfast-node; do \
		strip --strip-debug -o $(DESTDIR)$(BINDIR)/$$program.new $(BUILT)/$$program && \
		chmod 755 $(DESTDIR)$(BINDIR)/$$program.new && \
		mv -f $(DESTDIR)$(BINDIR)/$$program.new $(DESTDIR)$(BINDIR)/$$program || exit 1; \
	done
	sed -e 's|@BINDIR@|$(BINDIR)|' -e 's|@DOCDIR@|$(DOCDIR)|' packaging/holdfast-node@.service \
		>$(DESTDIR)$(SYSTEMDDIR)/holdfast-node@.service
	chmod 644 $(DESTDIR)$(SYSTEMDDIR)/holdfast-node@.service
	install -m 644 packaging/holdfast.sysusers.conf $(DESTDIR)$(SYSUSERSDIR)/holdfast.conf
	install -m 644 packaging/holdfast.tmpfiles.conf $(DESTDIR)$(TMPFILESDIR)/holdfast.conf
	install -d $(DESTDIR)$(DATADIR)/holdfast
	install -m 644 packaging/holdfast.rules.yml packaging/holdfast-dashboard.json $(DESTDIR)$(DATADIR)/holdfast
	install -m 644 README.md LICENSE docs/*.md $(DESTDIR)$(DOCDIR)
	install -d $(addprefix $(DESTDIR),$(MANDIR)/man1 $(BASHDIR) $(ZSHDIR) $(FISHDIR))
	$(BUILT)/holdfast --quiet man --out $(DESTDIR)$(MANDIR)/man1
	$(BUILT)/holdfast-node --man >$(DESTDIR)$(MANDIR)/man1/holdfast-node.1
	$(BUILT)/holdfast completion bash >$(DESTDIR)$(BASHDIR)/holdfast
	$(BUILT)/holdfast completion zsh >$(DESTDIR)$(ZSHDIR)/_holdfast
	$(BUILT)/holdfast completion fish >$(DESTDIR)$(FISHDIR)/holdfast.fish

# Directories are left out, so that unpacking changes none that is there.
tarball:
	stage=$$(mktemp -d) && trap 'rm -rf "$$stage"' EXIT && \
	$(MAKE) --no-print-directory install DESTDIR="$$stage" && \
	(cd "$$stage" && find . ! -type d -print0) | \
	tar -C "$$stage" --null --files-from=- --owner=root:0 --group=root:0 -czf $(TARBALL)

demo: build
	@exec $(CARGO_TARGET_DIR)/debug/holdfast demo

test: deps-test
	cargo test --workspace --locked

bench: deps-bench
	cargo build --locked -p node -p cli -p benches
	$(CARGO_TARGET_DIR)/debug/bench $(ARGS)

bench-micro: deps-bench
	cargo build --locked -p node -p cli -p benches
	$(CARGO_TARGET_DIR)/debug/bench micro $(ARGS)

profile: deps
	cargo build --locked -p node -p cli -p benches
	benches/profile $(CARGO_TARGET_DIR)/debug/bench $(ARGS)

chaos: deps
	cargo run --quiet --locked -p chaos-tests --bin chaos -- simulate --seed $(SEED) --runs $(RUNS)

kill-rounds: deps
	cargo run --quiet --locked -p chaos-tests --bin chaos -- kill --seed $(SEED) --rounds $(ROUNDS)

power-cuts: deps
	cargo run --quiet --locked -p chaos-tests --bin chaos -- power-cuts --seed $(SEED) --rounds $(ROUNDS)

link-cuts: deps
	cargo run --quiet --locked -p chaos-tests --bin chaos -- link-cuts --seed $(SEED) --rounds $(ROUNDS)

fuzz: deps
	fuzz/run $(SECONDS) $(TARGETS)
