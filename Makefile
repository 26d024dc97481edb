# bootaudit: `make audit` audits this host and an image, `make test` runs
# every test. Both install what is missing first.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup audit test short slow cover bench dist lint clean

# What to audit: nothing set is the stand-in image that bootaudit builds.
IMAGE ?= $(BOOT_IMAGE_FILE)
ISO ?= $(BOOT_IMAGE_ISO)
KERNEL ?= $(BOOT_IMAGE_KERNEL)
INITRD ?= $(BOOT_IMAGE_INITRD)
CMDLINE ?= $(BOOT_IMAGE_CMDLINE)
BUS ?= $(BOOT_IMAGE_BUS)
FLAKE ?= $(BOOT_IMAGE_FLAKE)
CONTRACT ?= $(BOOT_IMAGE_CONTRACT)
export BOOT_IMAGE_FILE := $(IMAGE)
export BOOT_IMAGE_ISO := $(ISO)
export BOOT_IMAGE_KERNEL := $(KERNEL)
export BOOT_IMAGE_INITRD := $(INITRD)
export BOOT_IMAGE_CMDLINE := $(CMDLINE)
export BOOT_IMAGE_BUS := $(BUS)
export BOOT_IMAGE_FLAKE := $(FLAKE)
export BOOT_IMAGE_CONTRACT := $(CONTRACT)

# A variable misspelt would else be obeyed by not being heard.
VARIABLES := IMAGE ISO KERNEL INITRD CMDLINE BUS FLAKE CONTRACT TIMEOUT SETUP
UNKNOWN := $(filter-out $(VARIABLES) BOOT_IMAGE_% PRE_NIXOS_%,$(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(v)))),$(v))))

# Go's own limit per package; every wait of ours ends before it.
TIMEOUT ?= 60m
# -p 1: one package after the other, from the cheapest checks to the boot.
AUDIT := go test -json -count=1 -p 1 -timeout $(TIMEOUT) -run '^Test(Host|Image|VM)$$' ./prereq ./iso ./vmtest
BOOTAUDIT := .bin/bootaudit

help: ## list the targets
	@echo 'usage: make TARGET [IMAGE=file | KERNEL=file INITRD=file CMDLINE=line | FLAKE=flake] [CONTRACT=name] [TIMEOUT=60m]'
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(BOOTAUDIT) ## install what is missing, through apt; says first what and why
	@$(if $(UNKNOWN),$(BOOTAUDIT) setup -unknown '$(UNKNOWN)' -known '$(VARIABLES)',$(BOOTAUDIT) setup $(SETUP))

audit: setup ## audit this host, the image and a boot of it; leaves audit/latest/report.md
	@run=$$PWD/audit/$$(date -u +%Y-%m-%dT%H%M%SZ); mkdir -p "$$run"; \
	BOOT_IMAGE_REQUIRE=1 BOOT_IMAGE_ARTIFACTS="$$run" $(AUDIT) 2>&1 | $(BOOTAUDIT) report -o "$$run"

test: setup ## run every test with the race detector, the boots included
	go test -race -timeout $(TIMEOUT) ./...

# -p 4: most of the time of these tests is spent waiting.
short: ## run the tests that need no QEMU, with the race detector
	go test -short -race -p 4 ./...

slow: setup ## run the boots that are too slow for make test: every fault, each tiny image; writes docs/faults.md
	go test -timeout $(TIMEOUT) ./vmtest -run '^TestVM(Example|SecureBoot|SecureBootStandIn)$$' -every
	go test -timeout $(TIMEOUT) ./vmtest/scenario -run '^TestVMTiny$$' -every
	go test -timeout $(TIMEOUT) ./vmtest/scenario -run '^TestVMFaults$$' -every -table ../../docs/faults.md

cover: ## show how much of ./vmtest the tests that need no QEMU reach; fails below 75 %
	@profile=$$(mktemp) && trap 'rm -f "$$profile"' EXIT && \
	go test -short -coverpkg ./vmtest,./vmtest/scenario -coverprofile "$$profile" ./vmtest ./vmtest/scenario && \
	go tool cover -func "$$profile" | awk 'END { print; exit $$3 + 0 < 75 }'

bench: setup ## run the benchmarks
	go test -run '^$$' -bench . ./...

dist: ## build binaries, a .deb and an .rpm for amd64 and arm64, and their digests, in dist
	@.ci/dist/build

lint: ## formatting, vet, staticcheck, module file, shell scripts
	@.ci/lint

clean: ## remove what make and the audits left here (not the image cache)
	rm -rf .bin audit dist

# Always asked, because go build knows best whether it is up to date.
.PHONY: $(BOOTAUDIT)
$(BOOTAUDIT):
	@go build -o $@ ./cmd/bootaudit
