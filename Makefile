# The version has one source, the control file; everything else derives from it.
EXTENSION = cqrs
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" cqrs.control)

MODULE_big = cqrs
# Bottom layer first: base, event, ..., and cqrs.o, which starts them in order.
OBJS = \
	src/base/args.o \
	src/base/extension.o \
	src/base/guc.o \
	src/base/handler.o \
	src/base/identity.o \
	src/base/names.o \
	src/base/open_cursors.o \
	src/base/plan_texts.o \
	src/base/plans.o \
	src/base/registry.o \
	src/base/rights.o \
	src/base/row.o \
	src/base/settings.o \
	src/base/shmem.o \
	src/base/stop_point.o \
	src/base/table.o \
	src/base/triggers.o \
	src/base/uuid.o \
	src/stats/applied.o \
	src/stats/counters.o \
	src/event/after.o \
	src/event/append.o \
	src/event/append_sql.o \
	src/event/cause.o \
	src/event/cursor.o \
	src/event/event_type.o \
	src/event/foreign_code.o \
	src/event/incarnation.o \
	src/event/late.o \
	src/event/log.o \
	src/event/open.o \
	src/event/payload.o \
	src/event/payload_fault.o \
	src/event/payload_input.o \
	src/event/payload_number.o \
	src/event/payload_scalar.o \
	src/event/payload_type.o \
	src/event/pick.o \
	src/event/read_sql.o \
	src/event/range.o \
	src/event/reader.o \
	src/event/recent.o \
	src/event/snapshot.o \
	src/event/stream.o \
	src/event/tail.o \
	src/event/times.o \
	src/event/token.o \
	src/command/digest.o \
	src/command/frame.o \
	src/command/ledger.o \
	src/command/registry.o \
	src/command/send.o \
	src/command/send_sql.o \
	src/projection/analyze.o \
	src/projection/apply.o \
	src/projection/arena.o \
	src/projection/attempt.o \
	src/projection/batch.o \
	src/projection/batch_rule.o \
	src/projection/batch_scan.o \
	src/projection/build.o \
	src/projection/build_row.o \
	src/projection/bulk.o \
	src/projection/carry.o \
	src/projection/catch_up.o \
	src/projection/check.o \
	src/projection/compare.o \
	src/projection/compile.o \
	src/projection/compile_where.o \
	src/projection/complete.o \
	src/projection/dependents.o \
	src/projection/dispatch.o \
	src/projection/draft.o \
	src/projection/engine.o \
	src/projection/event_ref.o \
	src/projection/event_value.o \
	src/projection/explain.o \
	src/projection/explain_sql.o \
	src/projection/fold.o \
	src/projection/fold_apply.o \
	src/projection/fold_fetch.o \
	src/projection/fold_flush.o \
	src/projection/fold_page.o \
	src/projection/fold_place.o \
	src/projection/fold_row.o \
	src/projection/fold_state.o \
	src/projection/fold_target.o \
	src/projection/fold_write.o \
	src/projection/function_rule.o \
	src/projection/inline.o \
	src/projection/inline_list.o \
	src/projection/lifecycle.o \
	src/projection/old_snapshots.o \
	src/projection/park.o \
	src/projection/registry.o \
	src/projection/replayable.o \
	src/projection/retry.o \
	src/projection/revise.o \
	src/projection/rule.o \
	src/projection/rule_row.o \
	src/projection/run_as.o \
	src/projection/start.o \
	src/projection/statement.o \
	src/projection/status.o \
	src/projection/successor.o \
	src/projection/swap.o \
	src/projection/table_readers.o \
	src/projection/tables.o \
	src/projection/upkeep.o \
	src/projection/views.o \
	src/query/diagram.o \
	src/query/query_sql.o \
	src/query/registry.o \
	src/query/run.o \
	src/worker/assign.o \
	src/worker/board.o \
	src/worker/busy_time.o \
	src/worker/failed.o \
	src/worker/launcher.o \
	src/worker/only_waits.o \
	src/worker/pool.o \
	src/worker/process.o \
	src/worker/processed.o \
	src/worker/prune.o \
	src/worker/replay_stop.o \
	src/worker/scan.o \
	src/worker/settled.o \
	src/worker/status_sql.o \
	src/worker/task.o \
	src/worker/turn.o \
	src/worker/utility.o \
	src/worker/wait.o \
	src/worker/wakeup.o \
	src/worker/work.o \
	src/cqrs.o

# The install script is built from these parts, in this order.
SQL_PARTS = \
	sql/install/header.sql \
	sql/install/event.sql \
	sql/install/command.sql \
	sql/install/worker.sql \
	sql/install/projection.sql \
	sql/install/rebuild.sql \
	sql/install/query.sql \
	sql/install/stats.sql \
	sql/install/rights.sql

DATA_built = sql/cqrs--$(EXTVERSION).sql
DATA = $(wildcard sql/cqrs--*--*.sql)
EXTRA_CLEAN = sql/cqrs--$(EXTVERSION).sql tmp_check tmp_check_iso output_iso results regression.diffs regression.out

# Warnings are errors in our own builds (WERROR=1), never in a user's.
PG_CPPFLAGS = -I$(srcdir)/src -DCQRS_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
ifdef WERROR
PG_CFLAGS += -Werror
endif
ifdef ASSERTIONS
PG_CPPFLAGS += -DUSE_ASSERT_CHECKING
endif

# "make installcheck" tests what "make install" has installed, on servers of its
# own; scripts/test does both without touching the system.  TEMP_CONFIG is also
# what PostgreSQL's TAP modules add to the configuration of every server.
TEMP_CONFIG ?= $(abspath $(srcdir))/test/server.conf
export TEMP_CONFIG
TEST_SERVER = --temp-config=$(TEMP_CONFIG) --no-locale --encoding=UTF8
REGRESS = --schedule=$(srcdir)/test/schedule
REGRESS_OPTS = --inputdir=$(srcdir)/test --temp-instance=./tmp_check $(TEST_SERVER)
ISOLATION = --schedule=$(srcdir)/test/isolation_schedule
ISOLATION_OPTS = --inputdir=$(srcdir)/test --outputdir=. --temp-instance=./tmp_check_iso --load-extension=cqrs --load-extension=cqrs_test $(TEST_SERVER)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

# No bitcode: inlining across this boundary buys nothing, and it would make clang a build requirement.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

sql/cqrs--$(EXTVERSION).sql: $(SQL_PARTS) cqrs.control
	cat $(SQL_PARTS) > $@

# A header may change any file's layout of a struct: rebuild all of them.
$(OBJS): $(wildcard $(srcdir)/src/*.h $(srcdir)/src/*/*.h) cqrs.control
