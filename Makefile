# SPDX-License-Identifier: LGPL-2.1-or-later
# libvmonecopy. `make help` lists the targets; V=1 shows the commands.

B       ?= build
CC      ?= gcc
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
CPPFLAGS += -Ishim -Iinclude -D_GNU_SOURCE $(if $(FAULTS),-DVMO_FAULTS)
FLAGS    = -std=gnu11 -fPIC -fvisibility=hidden -MMD -MP $(WARN) $(CPPFLAGS) $(CFLAGS) $(SAN)
ARCH    := $(shell $(CC) -dumpmachine | cut -d- -f1)
VERSION := $(shell sed -n 's/^.define VMO_VERSION "\(.*\)"$$/\1/p' shim/vmo.h)
# Nobody need link it. Who does in place of preloading is told of a change by the first number of the version; and linked
# and preloaded, it is loaded once.
SONAME  := libvmonecopy.so.$(firstword $(subst ., ,$(VERSION)))

MPICC.mpich   ?= mpicc.mpich
MPICC.openmpi ?= mpicc.openmpi
MPIF.mpich    ?= mpifort.mpich
MPIF.openmpi  ?= mpifort.openmpi
MPIS          := mpich openmpi
# The compiler wrappers' include paths; the shim itself is linked to no MPI.
MPIINC.mpich   = $(shell $(MPICC.mpich) -show 2>/dev/null | tr ' ' '\n' | grep '^-I')
MPIINC.openmpi = $(shell $(MPICC.openmpi) --showme:compile 2>/dev/null)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

# CORE: floors 0 to 4, which know no MPI: all that is neither MPI floor nor in the preloaded file.
FRONT := bind memhook threadhook pmixhook api
# FAULTS: the build that fails on purpose (shim/fault.h); else nothing of it is linked.
CORE  := $(filter-out mpi_% $(FRONT) $(if $(FAULTS),,fault),$(basename $(notdir $(wildcard shim/*.c))))
MPIC  := $(basename $(notdir $(wildcard shim/mpi_*.c)))
CORE_OBJ  := $(CORE:%=$B/obj/core/%.o)
FRONT_OBJ := $B/obj/core/bind.o $B/obj/core/api.o $B/obj/core/pmixhook.o $B/obj/core/threadhook.o $B/obj/front/memhook.o $B/obj/core/entry_$(ARCH).o
# The version that libc gives munmap and its like on this machine (memhook.c says what it is for).
HOOK_VERSION.x86_64  := GLIBC_2.2.5
HOOK_VERSION.aarch64 := GLIBC_2.17
HOOK_VERSION := $(HOOK_VERSION.$(ARCH))
EMU_OBJ   := $(patsubst tools/xenemu/%.c,$B/obj/xenemu/%.o,$(wildcard tools/xenemu/*.c))
LIBS  := $B/libvmonecopy.so $(MPIS:%=$B/libvmonecopy-%.so) $B/libxenemu.so
UNIT  := $(patsubst tests/unit/%.c,$B/tests/unit/%,$(wildcard tests/unit/*.c))
MPI_SRC  := $(wildcard tests/mpi/*.c tests/mpi/*.f90 tests/mpi/*.f tools/bench/*.c tools/bench/*.f90)
MPI_NAME := $(basename $(notdir $(MPI_SRC)))
RANDOM   := $(MPIS:%=$B/tests/%/random)
DOCTOR   := $B/doctor/probe $B/doctor/owners $(foreach m,$(MPIS),$B/tests/$m/doctor_ranks $B/tests/$m/doctor_sends)
DEATH_PROGRAMS := $(MPIS:%=$B/tests/%/death) $B/tests/deaths/registry
MPI_TEST := $(foreach m,$(MPIS),$(MPI_NAME:%=$B/tests/$m/%)) $(RANDOM)

.PHONY: all help bench installable install uninstall deb setup setup-test model soak conformance conformance-quick conformance-setup test test-programs unit demo demo-collectives xen-setup xenlab xen-test xen-test-programs xen-demo xen-kernels asan asan-run tsan tsan-run compdb clean clean-objects faults faults-build deaths fuzz fuzz-seeds fuzz-planted
.DELETE_ON_ERROR:

all: $(LIBS) $(DOCTOR)          ## build the libraries, and what `vmonecopy doctor` runs

$B/libvmonecopy.so: $(FRONT_OBJ) shim/libvmonecopy.map
	$(say) LINK $@
	$(Q)sed 's/^VMO_HOOK_VERSION/$(HOOK_VERSION)/' shim/libvmonecopy.map > $B/obj/libvmonecopy.map
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SAN) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=$B/obj/libvmonecopy.map -Wl,-z,now,-z,relro,-z,defs -o $@ $(FRONT_OBJ)

# Open MPI's handles are addresses of variables in libmpi, so its flavour names that library; it is
# loaded only where that library is loaded already.
MPILIB.openmpi = $(addprefix -L,$(shell $(MPICC.openmpi) --showme:libdirs 2>/dev/null)) -lmpi
MPILIB.mpich   =
define FLAVOUR
$B/libvmonecopy-$(1).so: $(MPIC:%=$B/obj/$(1)/%.o) $(CORE_OBJ) shim/flavour.map
	$$(say) LINK $$@
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(SAN) -shared -Wl,-soname,$$(@F) -Wl,--version-script=shim/flavour.map -Wl,-z,relro -o $$@ $(MPIC:%=$B/obj/$(1)/%.o) $$(CORE_OBJ) -Wl,--as-needed $$(MPILIB.$(1))
$B/obj/$(1)/%.o: shim/%.c
	@mkdir -p $$(@D)
	$$(say) CC.$(1) $$<
	$$(Q)$$(CC) $$(FLAGS) $$(MPIINC.$(1)) -DVMO_FLAVOUR='"$(1)"' -c -o $$@ $$<
$B/tests/$(1)/%: tests/mpi/%.c
	@mkdir -p $$(@D)
	$$(say) MPICC $$@
	$$(Q)$$(MPICC.$(1)) -std=gnu11 -O2 -g $$(WARN) -Itests/mpi -o $$@ $$< -lpthread
$B/tests/$(1)/%: tools/bench/%.c $(wildcard tools/bench/*.h)
	@mkdir -p $$(@D)
	$$(say) MPICC $$@
	$$(Q)$$(MPICC.$(1)) -std=gnu11 -O2 -g $$(WARN) -D_GNU_SOURCE -o $$@ $$<
$B/tests/$(1)/doctor_%: tools/doctor/doctor_%.c
	@mkdir -p $$(@D)
	$$(say) MPICC $$@
	$$(Q)$$(MPICC.$(1)) -std=gnu11 -O2 -g $$(WARN) -o $$@ $$<
$B/tests/$(1)/%: tools/bench/%.f90 $(wildcard tools/bench/*.inc)
	@mkdir -p $$(@D)/mod/$$*
	$$(say) MPIFC $$@
	$$(Q)$$(MPIF.$(1)) -O2 -g -J$$(@D)/mod/$$* -o $$@ $$<
$B/tests/$(1)/random: $(wildcard tests/random/*.[ch])
	@mkdir -p $$(@D)
	$$(say) MPICC $$@
	$$(Q)$$(MPICC.$(1)) -std=gnu11 -O2 -g $$(WARN) -Wno-stringop-overflow -D_GNU_SOURCE -rdynamic -o $$@ $$(filter %.c,$$^) -ldl
$B/tests/$(1)/%: tests/deaths/%.c tests/mpi/t.h
	@mkdir -p $$(@D)
	$$(say) MPICC $$@
	$$(Q)$$(MPICC.$(1)) -std=gnu11 -O2 -g $$(WARN) -o $$@ $$<
$B/tests/$(1)/%: tests/xen/%.c
	@mkdir -p $$(@D)
	$$(say) MPICC $$@
	$$(Q)$$(MPICC.$(1)) -std=gnu11 -O2 -g $$(WARN) -D_GNU_SOURCE -o $$@ $$<
$B/tests/$(1)/%: tests/xen/%.f90
	@mkdir -p $$(@D)/mod
	$$(say) MPIFC $$@
	$$(Q)$$(MPIF.$(1)) -O1 -g -J$$(@D)/mod -o $$@ $$<
$B/tests/$(1)/%: tests/mpi/%.f90
	@mkdir -p $$(@D)/mod
	$$(say) MPIFC $$@
	$$(Q)$$(MPIF.$(1)) -O1 -g -fallow-argument-mismatch -J$$(@D)/mod -o $$@ $$<
$B/tests/$(1)/%: tests/mpi/%.f
	@mkdir -p $$(@D)
	$$(say) MPIFC $$@
	$$(Q)$$(MPIF.$(1)) -O1 -g -fallow-argument-mismatch -o $$@ $$<
endef
$(foreach m,$(MPIS),$(eval $(call FLAVOUR,$m)))

$B/libxenemu.so: $(EMU_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(SAN) -shared -Wl,-soname,$(@F) -o $@ $(EMU_OBJ) -lpthread

# Not the library's: for comparisons with more ranks than cores.
$B/libyield.so: tools/ab/yield.c
	@mkdir -p $(@D)
	$(say) LINK $@
	$(Q)$(CC) -std=gnu11 $(WARN) -D_GNU_SOURCE $(CFLAGS) $(LDFLAGS) -fPIC -shared -o $@ $< -ldl

$B/obj/core/%.o: shim/%.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(FLAGS) -c -o $@ $<
$B/obj/front/%.o: shim/%.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(FLAGS) -DVMO_HOOK_VERSION='"$(HOOK_VERSION)"' -c -o $@ $<
$B/obj/core/%.o: shim/%.S shim/calls.def
	@mkdir -p $(@D)
	$(say) AS $<
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<
$B/obj/xenemu/%.o: tools/xenemu/%.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(FLAGS) -Itools/xenemu -c -o $@ $<

# AddressSanitizer calls free() before it is set up: the hooks themselves are not instrumented.
$B/obj/core/memhook.o: SAN :=

# What `vmonecopy doctor` runs: with the MPI-free floors; and with nothing of the library (tools/doctor).
$B/doctor/probe: tools/doctor/probe.c $(CORE_OBJ)
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(FLAGS) -o $@ $< $(CORE_OBJ) -lpthread -ldl
$B/doctor/owners: tools/doctor/owners.c
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -fPIE -pie -MMD -MP -o $@ $< -ldl

# Unit tests need no MPI; they get the MPI-free floors and the memory hooks.
UNIT_HOOK ?= $B/obj/core/memhook.o $B/obj/core/threadhook.o
$B/tests/unit/%: tests/unit/%.c $(CORE_OBJ) $(UNIT_HOOK)
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(FLAGS) -Itests/unit -o $@ $< $(CORE_OBJ) $(UNIT_HOOK) -lpthread -ldl

# Installing (tools/packaging/install tells what goes where). Nothing is fetched, and no privilege is asked for.
PREFIX    ?= /usr/local
LIBDIR    ?= $(PREFIX)/lib
MANDIR    ?= $(PREFIX)/share/man
MODULEDIR ?= $(PREFIX)/share/modulefiles
# What the tool runs: to measure, and the doctor's.
PROGRAMS  := $(foreach m,$(MPIS),$(patsubst tools/bench/%.c,$B/tests/$m/%,$(wildcard tools/bench/*.c))) $(DOCTOR)
MAN       := $(patsubst docs/man/%.in,$B/man/%,$(wildcard docs/man/*.in))
$B/man/%: docs/man/%.in tools/man_pages.py tools/options_table.py tools/vmonecopy $(wildcard tools/*/*.py) shim/options.def shim/vmo.h CHANGELOG.md
	$(say) MAN $@
	$(Q)python3 tools/man_pages.py $< $@
installable: $(LIBS) $B/libyield.so $(PROGRAMS) $(MAN)
install: installable            ## PREFIX=/usr/local, LIBDIR=PREFIX/lib, DESTDIR=: install the libraries and the vmonecopy command
	@tools/packaging/install install --build '$B' --version '$(VERSION)' --destdir '$(DESTDIR)' --prefix '$(PREFIX)' --libdir '$(LIBDIR)' \
		--mandir '$(MANDIR)' --moduledir '$(MODULEDIR)' --mpis $(MPIS) --programs $(PROGRAMS) --pages $(MAN)
uninstall:                      ## PREFIX=/usr/local, DESTDIR=: remove what was installed there
	@tools/packaging/install uninstall --version '$(VERSION)' --destdir '$(DESTDIR)' --prefix '$(PREFIX)'

# A package of this tree as it is, in build/deb (tools/packaging/deb.sh).
DEB_PACKAGES := debhelper dpkg-dev
deb: setup                      ## a Debian package of this tree: build/deb/vmonecopy_*.deb (2 minutes)
	@$(call install,$(DEB_PACKAGES))
	@tools/packaging/deb.sh '$B/deb' '$(VERSION)'

# Debian packages: to build and measure, and what only tests need.
PACKAGES      := gcc make python3 mpich libmpich-dev openmpi-bin libopenmpi-dev libxen-dev uthash-dev iproute2 util-linux
FUZZ_PACKAGES := clang libclang-rt-14-dev
TEST_PACKAGES := $(DEB_PACKAGES) mandoc pkg-config gfortran spin valgrind gdb strace libjemalloc2 libtcmalloc-minimal4 netpipe-openmpi netpipe-mpich2 hpcc \
                 scalapack-mpi-test python3-mpi4py python3-numpy gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user \
                 $(FUZZ_PACKAGES)

# $(call install,packages): installs what is missing as root, else names the command.
define install
missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
if [ -z "$$missing" ]; then exit 0; \
elif [ "$$(id -u)" = 0 ]; then \
	echo "installing:" $$missing; \
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >$B/apt.log 2>&1 \
	|| { tail -5 $B/apt.log; echo "apt-get failed; its output is in $B/apt.log"; exit 1; }; \
else echo "missing packages; run as root: apt-get install --no-install-recommends" $$missing; exit 1; fi
endef

setup:                          ## install what building and measuring need
	@mkdir -p $B
	@$(call install,$(PACKAGES))

setup-test: setup               ## install what the tests need too
	@$(call install,$(TEST_PACKAGES))

demo: setup                     ## A/B table: TCP against one-copy, on emulated Xen (2 to 5 minutes)
	@$(MAKE) --no-print-directory all $B/tests/mpich/vmobench $B/tests/openmpi/vmobench
	@tools/vmonecopy ab --table --build $B --json $B/demo.json

demo-collectives: setup         ## the same of collectives and two kernels, 2 and 4 ranks (10 to 15 minutes)
	@$(MAKE) --no-print-directory all $B/libyield.so $(foreach m,$(MPIS),$(foreach p,vmobench vmocoll vmokernel,$B/tests/$m/$p))
	@tools/vmonecopy ab --collectives --build $B --json $B/demo-collectives.json

# The picture in the README: on a quiet machine, and with its conditions in it.
.PHONY: plot
PLOT ?= --tests latency,bw --sizes 16K,64K,256K,1M,4M
plot: setup                     ## docs/ab.svg, the A/B plot of the README, from a run on this machine (10 minutes; keep it quiet)
	@$(MAKE) --no-print-directory all $B/libyield.so $(foreach m,$(MPIS),$(foreach p,vmopairs vmocoll vmobench,$B/tests/$m/$p))
	@mkdir -p docs
	@tools/vmonecopy ab --build $B $(PLOT) --json $B/ab.json --csv $B/ab.csv --svg docs/ab.svg

# Each performance target beside its figure (tools/targets). BENCH: options, for instance --only latency,instructions.
BENCH ?=
KERNEL_PROGRAMS := vmokernel vmonas vmokernelf vmonasf
BENCH_PROGRAMS := vmobench vmocost vmofirst vmoscale vmocopy $(KERNEL_PROGRAMS)
bench: setup                    ## each performance target beside its measured figure, build/bench.json (10 minutes)
	@$(call install,valgrind gfortran)
	@$(MAKE) --no-print-directory all $B/libyield.so $(foreach m,$(MPIS),$(foreach p,$(BENCH_PROGRAMS),$B/tests/$m/$p))
	@tools/targets/bench --build $B --json $B/bench.json $(BENCH)

test: setup-test                ## build and run all tests that need no hypervisor
	@$(MAKE) --no-print-directory test-programs
	@tests/run.py --build $B

# Other people's tests of MPI, with the library and without (tools/conformance). CONFORMANCE: options for the command.
CONFORMANCE_PACKAGES := g++ gfortran scalapack-mpi-test xz-utils
CONFORMANCE ?=
conformance-setup: setup
	@$(call install,$(CONFORMANCE_PACKAGES))
	@$(MAKE) --no-print-directory all
conformance: conformance-setup  ## the MPICH test suite and ScaLAPACK's testers, plain and with the library (an hour; goes on where interrupted)
	@tools/conformance/conformance --build $B $(CONFORMANCE)
conformance-quick: conformance-setup ## a part of it (3 minutes)
	@tools/conformance/conformance --build $B --quick $(CONFORMANCE)

# Random programs, each without the library and in two of its modes, deaths and faults between them (tests/soak/run.py).
SEEDS ?= 10000
SOAK_OPTIONS ?=
soak: setup                     ## an hour: SEEDS=10000 random MPI programs with the library against without, deaths, faults
	@$(MAKE) --no-print-directory all faults-build $(RANDOM) $(DEATH_PROGRAMS) $(foreach m,$(MPIS),$(FAULT_TESTS:%=$B/tests/$m/%))
	@tests/soak/run.py --build $B --seeds 1-$(SEEDS) $(SOAK_OPTIONS)

model: setup                    ## check the model of the protocol with spin (tests/model)
	@$(call install,spin)
	@tests/model/run.py

$B/tests/deaths/registry: tests/deaths/registry.c tools/xenemu/layout.h
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -Itools/xenemu -o $@ $<
DEATHS  ?= 500
deaths: setup                   ## DEATHS=500 jobs whose sender or receiver is killed amid a transfer (30 minutes)
	@$(MAKE) --no-print-directory all $(DEATH_PROGRAMS)
	@tests/deaths/run.py --build $B --count $(DEATHS) --jobs 2 $(DEATHS_OPTIONS)

# Real Xen: two and three guests under QEMU, on an ordinary machine (tools/xenlab).
XEN_TEST := $(foreach m,$(MPIS),$B/tests/$m/traffic $B/tests/$m/fortran) $B/tests/xen/grants
$B/tests/xen/grants: tests/xen/grants.c
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) -o $@ $<
xen-setup: setup
	@$(call install,$(shell tools/xenlab/xenlab build --list-host-packages) gfortran)
xenlab: xen-setup               ## fetch and build the images of the Xen lab
	@tools/xenlab/xenlab build
xen-test: xenlab                ## tests on real Xen (about 8 minutes)
	@$(MAKE) --no-print-directory xen-test-programs
	@tests/xen/run.py --build $B
xen-test-programs: all $(UNIT) $(MPI_TEST) $B/libyield.so $(XEN_TEST)
xen-demo: xenlab                ## A/B table on real Xen: netfront TCP against one copy (about 7 minutes)
	@$(MAKE) --no-print-directory all $(MPIS:%=$B/tests/%/vmobench)
	@tools/vmonecopy ab --table --path xen --build $B --json $B/xen-demo.json
# XEN_KERNELS: options, for instance --mpi mpich, or --tiny to see that it works.
XEN_KERNELS ?=
xen-kernels: xenlab             ## five kernels in C and Fortran on real Xen: netfront TCP against one copy (about 20 minutes)
	@$(MAKE) --no-print-directory all $(foreach m,$(MPIS),$(KERNEL_PROGRAMS:%=$B/tests/$m/%))
	@tools/targets/bench --path xen --build $B --json $B/xen-kernels.json $(XEN_KERNELS)

test-programs: all $(UNIT) $(MPI_TEST) $B/libyield.so faults-build $(DEATH_PROGRAMS)
unit: all $(UNIT)               ## unit tests alone
	@tests/run.py --build $B --kinds unit

# The floors that know no MPI, under AddressSanitizer and UndefinedBehaviorSanitizer; all of them in the second run, with
# libasan preloaded into a program that knows nothing of it (free is libasan's then, so nothing is substituted).
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
asan: setup                     ## unit tests, and MPI jobs with a hostile rank, under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory B=$B/asan SAN="$(ASAN)" asan-run
asan-run: $(LIBS) $(UNIT)
	@tests/run.py --build $B --kinds unit
	@SCRIBBLE_PRELOAD=$(shell $(CC) -print-file-name=libasan.so) SCRIBBLE_SECONDS=4 ASAN_OPTIONS=detect_leaks=0 \
		tests/run.py --build $B --kinds script --only '/scribbler$$' -v

# The same floors under ThreadSanitizer, which needs its own free(): the tests of threads, without the memory hooks.
TSAN := -fsanitize=thread -O1 -fno-omit-frame-pointer -Wno-tsan
tsan: setup                     ## the threads' unit tests under ThreadSanitizer
	@$(MAKE) --no-print-directory B=$B/tsan SAN="$(TSAN)" UNIT_HOOK=$B/tsan/obj/nohook/memhook.o tsan-run
tsan-run: $B/libxenemu.so $(filter-out %/memhook_threads,$(filter %_threads %_readers,$(UNIT)))
	@TSAN_OPTIONS="halt_on_error=0 exitcode=66 second_deadlock_stack=1" \
		tests/run.py --build $B --kinds unit --only '/(?!memhook).*_(threads|readers)$$'
$B/obj/nohook/%.o: tests/unit/nohook/%.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(FLAGS) -c -o $@ $<

# The library with failures on purpose, in a place of its own.
faults-build:
	@$(MAKE) --no-print-directory B=$B/faults FAULTS=1 all
FAULT_OPTIONS ?=
FAULT_TESTS := coll_reduce datatypes forked isendrecv part_of_element same_buffer spaced
faults: setup                   ## every place that can fail, failing: random programs still come out right (20 minutes)
	@$(MAKE) --no-print-directory faults-build $(RANDOM) $(foreach m,$(MPIS),$(FAULT_TESTS:%=$B/tests/$m/%))
	@tests/faults/run.py --build $B --json $B/faults.json $(FAULT_OPTIONS)

# Fuzzers of the same floors (tests/fuzz/fuzz.h), by clang's libFuzzer, over a stand-in for Xen.
FUZZ          := pull race send shape peer config
FUZZ_CC       ?= clang
FUZZ_SECONDS  ?= 600
FUZZ_SAN      := -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_FLAGS     = -std=gnu11 -O1 -g -fno-omit-frame-pointer -MMD -MP $(WARN) -Ishim -Itests/fuzz -Itools/xenemu -D_GNU_SOURCE \
                 -fsanitize=fuzzer-no-link $(FUZZ_SAN)
# Each load is told to tests/fuzz/loads.c.
FUZZ_LOADS    := -fsanitize-coverage=trace-loads
FUZZ_CORE     := $(patsubst %,$B/fuzz/obj/%.o,$(filter-out xen xen_open progress,$(CORE)) settings)
FUZZ_WORLD    := $(patsubst %,$B/fuzz/obj/fuzz_%.o,xen world words loads)
# Built with the tests where there is a clang that can.
FUZZ_TEST     := $(if $(wildcard $(shell $(FUZZ_CC) -print-runtime-dir 2>/dev/null)/libclang_rt.fuzzer*),$(FUZZ:%=$B/fuzz/%))
test-programs: $(FUZZ_TEST)

$B/fuzz/obj/%.o: shim/%.c
	@mkdir -p $(@D)
	$(say) FUZZCC $<
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) $(FUZZ_LOADS) -c -o $@ $<
$B/fuzz/obj/settings.o: tools/xenemu/settings.c
	@mkdir -p $(@D)
	$(say) FUZZCC $<
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -c -o $@ $<
$B/fuzz/obj/fuzz_%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(say) FUZZCC $<
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -c -o $@ $<
.SECONDARY: $(FUZZ:%=$B/fuzz/obj/fuzz_%.o)
$B/fuzz/%: $B/fuzz/obj/fuzz_%.o $(FUZZ_CORE) $(FUZZ_WORLD)
	$(say) FUZZ $@
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer $(FUZZ_SAN) -o $@ $^ -lpthread
$B/fuzz/seeds: $B/fuzz/obj/fuzz_seeds.o $(FUZZ_CORE) $(filter-out %words.o,$(FUZZ_WORLD))
	$(say) LINK $@
	$(Q)$(FUZZ_CC) $(FUZZ_SAN) -o $@ $^ -lpthread

fuzz: setup                     ## FUZZ_SECONDS=600 of each fuzzer, from tests/fuzz/corpus; what it finds is in build/fuzz/found
	@$(call install,$(FUZZ_PACKAGES))
	@$(MAKE) --no-print-directory $(FUZZ:%=$B/fuzz/%)
	@tests/fuzz/run.sh --build $B --seconds $(FUZZ_SECONDS) $(FUZZ)
fuzz-seeds: $B/fuzz/seeds       ## writes the first corpus anew, from what the real sender does
	@$B/fuzz/seeds tests/fuzz/corpus
# OUT: fuzzer FUZZER with WEAK, a changed copy of a file of shim/, in that file's place (tests/script/fuzz_plants.sh).
fuzz-planted: $(FUZZ_CORE) $(FUZZ_WORLD) $(FUZZ:%=$B/fuzz/obj/fuzz_%.o)
	@$(FUZZ_CC) $(FUZZ_FLAGS) $(FUZZ_LOADS) -c -o $(OUT).o $(WEAK)
	@$(FUZZ_CC) -fsanitize=fuzzer $(FUZZ_SAN) -o $(OUT) $(OUT).o $B/fuzz/obj/fuzz_$(FUZZER).o $(FUZZ_WORLD) \
		$(filter-out %/$(basename $(notdir $(WEAK))).o,$(FUZZ_CORE)) -lpthread

compdb:                         ## compile_commands.json for editors
	@$(MAKE) --no-print-directory clean-objects >/dev/null && bear -- $(MAKE) --no-print-directory all

clean-objects:
	@rm -rf $B/obj
clean:                          ## remove what was built (images of the Xen lab stay)
	rm -rf $B/obj $B/doctor $B/tests $B/asan $B/tsan $B/faults $B/fuzz $B/man $B/deb $B/*.so

help:                           ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

-include $(wildcard $B/obj/*/*.d $B/doctor/*.d $B/tests/unit/*.d $B/fuzz/obj/*.d)
