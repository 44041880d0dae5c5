# Sourced by scripts/test: the suites.  A suite is a function suite_NAME that
# prints what its runner prints and fails when a test failed, a function that
# counts ("count_NAME LOG" prints the numbers passed and failed), and a word in
# SUITES.  It runs in a copy of the checkout that the server's user owns.
#
# Set by scripts/test: MAJOR, BINDIR, PG_CONFIG, WORK (directory of the run),
# SRC (the copy), STAGE (where it is installed), CONF (settings for servers).

# shellcheck shell=bash

readonly SUITES='build clang check regress isolation pgtap tap examples clients'

# Those that are run when they are asked for.
readonly LONG_SUITES='sqlsmith soak valgrind'

# Those that need no server, and so no installed extension.
readonly SUITES_WITHOUT_BUILD='clang check'

# A suite that hangs is ended, with all of its processes, and has failed.
readonly SUITE_SECONDS=${CQRS_TEST_SECONDS:-1200}

limited() {
	local status=0
	as_user timeout -k 30 "$SUITE_SECONDS" "${RUN_WITH[@]}" "$@" || status=$?
	((status != 124 && status != 137)) || say "ended after $SUITE_SECONDS seconds (CQRS_TEST_SECONDS)"
	return $status
}

build_make() {
	limited make --no-print-directory -C "$@" PG_CONFIG="$PG_CONFIG"
}

has_files() {
	compgen -G "$SRC/$1" >/dev/null
}

# --------------------------------------------------------------------------
# Builds
# --------------------------------------------------------------------------

suite_build() {
	# not what the servers are started with
	local RUN_WITH=()
	build_make "$SRC" -s -j"$(nproc)" WERROR=1 ASSERTIONS=1 "${BUILD_WITH[@]}" &&
		build_make "$SRC" -s install WERROR=1 ASSERTIONS=1 DESTDIR="$STAGE" || return
	say "built and installed with $(cc --version | head -n 1)"

	local module
	for module in "$SRC"/test/*/Makefile; do
		[[ -e $module ]] || continue
		build_make "${module%/*}" -s WERROR=1 ASSERTIONS=1 &&
			build_make "${module%/*}" -s install WERROR=1 ASSERTIONS=1 DESTDIR="$STAGE" || return
	done
}

find_clang() {
	command -v clang || compgen -G '/usr/bin/clang-[0-9][0-9]' | sort | tail -n 1
}

# Another compiler sees other faults; and here assertions are off, which shows
# what only assertions use.
suite_clang() {
	local clang
	clang=$(find_clang)
	if [[ -z $clang ]]; then
		say "skipped: no clang here"
		return
	fi
	copy_tree "$SRC" "$WORK/clang"
	# PostgreSQL was built with gcc, and pg_config hands on flags that clang does not know.
	build_make "$WORK/clang" -s -j"$(nproc)" CC="$clang" WERROR=1 \
		COPT='-Wno-ignored-optimization-argument -Wno-ignored-attributes -Wno-unknown-warning-option' || return
	say "built with $("$clang" --version | head -n 1)"
}

# --------------------------------------------------------------------------
# Tests
# --------------------------------------------------------------------------

suite_check() {
	has_files 'test/check/run' || return 0
	limited "$SRC/test/check/run"
}

suite_regress() {
	has_files 'test/schedule' || return 0
	build_make "$SRC" -s installcheck ISOLATION= TAP_TESTS= TEMP_CONFIG="$CONF"
}

suite_isolation() {
	has_files 'test/isolation_schedule' || return 0
	build_make "$SRC" -s installcheck REGRESS= TAP_TESTS= TEMP_CONFIG="$CONF"
}

suite_pgtap() {
	has_files 'test/pgtap/*.sql' || return 0
	start_server pgtap &&
		run_psql pgtap postgres -c 'CREATE DATABASE pgtap' &&
		run_psql pgtap pgtap -c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION cqrs' || return
	(cd "$SRC" && limited pg_prove --psql-bin "$BINDIR/psql" -h "$(socket_of pgtap)" -d pgtap test/pgtap/*.sql)
	local status=$?
	stop_server pgtap
	return $status
}

suite_tap() {
	has_files 'test/t/*.pl' || return 0
	build_make "$SRC" -s installcheck REGRESS= ISOLATION= TEMP_CONFIG="$CONF" PROVE_FLAGS="-j$(nproc)"
}

# Every example runs without an error in a database of its own, and prints what
# examples/expected says when there is such a file.
suite_examples() {
	local directory file failed=0
	has_files 'examples/*.sql' || return 0
	start_server examples &&
		let_workers_work examples || return
	for file in "$SRC"/examples/*.sql; do
		create_example "$(basename "$file" .sql)" && compare_example "$file" "$(basename "$file" .sql)" || failed=1
	done
	# One database a directory, in which its files run one after the other.
	for directory in $(dirname "$SRC"/examples/*/[0-9]*.sql | sort -u); do
		create_example "$(basename "$directory")" || failed=1
		for file in "$directory"/[0-9]*.sql; do
			compare_example "$file" "$(basename "$directory")" || failed=1
		done
	done
	stop_server examples
	return $failed
}

create_example() {
	run_psql examples postgres -c "CREATE DATABASE \"$1\"" && run_psql examples "$1" -c "CREATE EXTENSION cqrs"
}

# compare_example FILE DATABASE: runs it, and compares what it prints.
compare_example() {
	local path=${1#"$SRC"/examples/} expected output
	expected=$(dirname "$1")/expected/$(basename "$1" .sql).out
	output=$WORK/examples.out/${path%.sql}.out
	as_user mkdir -p "$(dirname "$output")"
	if ! run_psql examples "$2" -a <"$1" >"$output" 2>&1; then
		tail -n 20 "$output"
	elif [[ ! -e $expected ]]; then
		say "there is no $expected"
	elif diff -u "$expected" "$output"; then
		say "ok - ${path%.sql}"
		return
	fi
	say "not ok - ${path%.sql}"
	return 1
}

# Programs in other languages that use the extension as an application would:
# test/clients/run prints TAP and finds a server by PGHOST and PGDATABASE.
suite_clients() {
	has_files 'test/clients/run' || return 0
	start_server clients &&
		let_workers_work clients &&
		run_psql clients postgres -c 'CREATE DATABASE clients' &&
		run_psql clients clients -c 'CREATE EXTENSION cqrs' || return
	limited env PGHOST="$(socket_of clients)" PGDATABASE=clients PGUSER=postgres NODE_PATH="$NODE_MODULES" \
		"$SRC/test/clients/run"
	local status=$?
	stop_server clients
	return $status
}

# Queries that nobody would write, made up by sqlsmith from the catalogue of a
# database with projections, commands, queries: $CQRS_SQLSMITH_QUERIES of them,
# from $CQRS_SQLSMITH_SEED on.  They have all rights that the extension grants, and
# no others.  The server must live, and no error that cannot happen be ours.
suite_sqlsmith() {
	local log=$WORK/sqlsmith.data/server.log started

	start_server sqlsmith || return
	run_psql sqlsmith postgres -c 'CREATE DATABASE sqlsmith' &&
		run_psql sqlsmith sqlsmith -f "$SRC/test/fuzz/setup.sql" >/dev/null &&
		run_psql sqlsmith sqlsmith -c "ALTER SYSTEM SET log_error_verbosity = verbose" -c "SELECT pg_reload_conf()" \
			-c "ALTER ROLE fuzz_role LOGIN" -c "ALTER ROLE fuzz_role SET statement_timeout = '2s'" \
			-c "SELECT cqrs_grant('fuzz_role', r) FROM unnest('{send,query,emit,define,watch}'::text[]) r" \
			-c "GRANT ALL ON SCHEMA fuzz, public TO fuzz_role" -c "GRANT ALL ON ALL TABLES IN SCHEMA fuzz TO fuzz_role" >/dev/null || return
	started=$(run_psql sqlsmith postgres -At -c 'SELECT pg_postmaster_start_time()')
	limited sqlsmith --target="host=$(socket_of sqlsmith) user=fuzz_role dbname=sqlsmith" \
		--seed="${CQRS_SQLSMITH_SEED:-1}" --max-queries="${CQRS_SQLSMITH_QUERIES:-5000}" >"$WORK/log/sqlsmith.out" 2>&1 || true
	tail -n 3 "$WORK/log/sqlsmith.out"
	say "errors by SQLSTATE: $(sed -n 's/.*ERROR:  \([0-9A-Z]\{5\}\):.*/\1/p' "$log" | sort | uniq -c | sort -rn | awk '{ printf "%s %s  ", $2, $1 }')"
	if [[ $(run_psql sqlsmith postgres -At -c 'SELECT pg_postmaster_start_time()') != "$started" ]] ||
		grep -qE 'was terminated by signal|TRAP:|PANIC:' "$log"; then
		say 'not ok - the server has died'
	elif grep -A4 'ERROR:  XX' "$log" | grep -E "LOCATION: .* ($(our_files)):[0-9]"; then
		say 'not ok - errors that cannot happen'
	else
		say 'ok - the server lives'
	fi
	stop_server sqlsmith
	grep -q '^ok' "$WORK/log/sqlsmith.log"
}

# Names of C files of the extension, as an alternative of a regular expression.
our_files() {
	(cd "$SRC/src" && find . -name '*.c' -printf '%f|') | sed 's/|$//; s/\./\\./g'
}

# A million events, or $CQRS_SOAK_EVENTS; see test/t/072_soak.pl.
suite_soak() {
	export CQRS_SOAK_EVENTS=${CQRS_SOAK_EVENTS:-1000000}
	build_make "$SRC" -s installcheck REGRESS= ISOLATION= TEMP_CONFIG="$CONF" PROVE_TESTS=test/t/072_soak.pl PROVE_FLAGS=-v
}

# The regression tests on a server that valgrind runs.  Only errors in the
# extension's own code count.  What it does to memory that PostgreSQL hands out in
# pieces is not seen; the address sanitizer sees no more of that.
suite_valgrind() {
	local data=$WORK/valgrind.data log=$WORK/log/valgrind.out status=0 i

	start_server valgrind && stop_server valgrind || return
	as_user sh -c "cd '$data' && exec valgrind --quiet --trace-children=yes --error-limit=no --gen-suppressions=no \
		--log-file='$WORK/log/valgrind.%p' '$BINDIR/postgres' -D '$data' -c listen_addresses='' \
		-c unix_socket_directories='$(socket_of valgrind)'" >"$log" 2>&1 &
	for ((i = 0; i < 120; i++)); do
		run_psql valgrind postgres -c 'SELECT 1' >/dev/null 2>&1 && break
		sleep 1
	done
	(cd "$SRC" && limited "$("$PG_CONFIG" --pkglibdir)/pgxs/src/test/regress/pg_regress" \
		--inputdir=test --bindir="$BINDIR" --schedule=test/schedule --host="$(socket_of valgrind)" --user=postgres) || status=$?
	stop_server valgrind
	wait
	if grep -l 'cqrs\.so' "$WORK"/log/valgrind.[0-9]* 2>/dev/null; then
		say 'valgrind has something to say about the extension'
		return 1
	fi
	return $status
}

# PostgreSQL's own regression tests, in $POSTGRES, of the same major as the server.
# Its minor version may be another one, and the machine has a say, too: what fails
# in the same way without the library is not the library's fault.
suite_postgres() {
	local test failed=

	as_user cp -r "$POSTGRES/src/test/regress" "$WORK/postgres" &&
		as_user tee "$WORK/postgres/Makefile" >/dev/null <<<$'MODULES = regress\noverride with_llvm = no\nPGXS := $(shell $(PG_CONFIG) --pgxs)\ninclude $(PGXS)' &&
		as_user rm -f "$WORK/postgres/GNUmakefile" &&
		build_make "$WORK/postgres" -s || return
	postgres_tests with "shared_preload_libraries = 'cqrs'" && return
	say 'once more, without the library'
	postgres_tests without "shared_preload_libraries = ''" >/dev/null || true
	for test in $(postgres_failures); do
		if cmp -s "$WORK/postgres.with/results/$test.out" "$WORK/postgres.without/results/$test.out"; then
			say "same without the library: $test"
		else
			say "only with the library: $test"
			failed=1
		fi
	done
	[[ ! $failed ]]
}

# postgres_tests NAME SETTINGS
postgres_tests() {
	local results=$WORK/postgres.$1 status=0

	as_user mkdir -p "$results"
	(
		CONF=$results/server.conf
		{ staged_settings "$MAJOR" "$STAGE" && printf '%s\nfsync = off\n' "$2"; } >"$CONF"
		start_server "postgres-$1"
	) || return
	(cd "$WORK/postgres" && limited "$("$PG_CONFIG" --pkglibdir)/pgxs/src/test/regress/pg_regress" \
		--inputdir=. --outputdir="$results" --dlpath=. --bindir="$BINDIR" --schedule=parallel_schedule --max-connections=20 \
		--host="$(socket_of "postgres-$1")" --user=postgres --no-locale --encoding=UTF8) >"$results/log" 2>&1 || status=$?
	tail -n 12 "$results/log"
	stop_server "postgres-$1"
	return $status
}

# Tests that do not say what is expected of them.
postgres_failures() {
	awk '/\.\.\. *FAILED/ { print ($1 == "test" ? $2 : $1) }' "$WORK/postgres.with/log"
}

# --------------------------------------------------------------------------
# Counting
# --------------------------------------------------------------------------

# A build is one test; it passes by not failing.
count_build() { grep -q '^built' "$1" && echo 1 0 || echo 0 0; }
count_clang() { count_build "$1"; }

count_check() { count_prove "$1"; }
count_regress() { count_pg_regress "$1"; }
count_isolation() { count_pg_regress "$1"; }
count_pgtap() { count_prove "$1"; }
count_tap() { count_prove "$1"; }
count_examples() { echo "$(grep -c '^ok ' "$1") $(grep -c '^not ok ' "$1")"; }
# What fails in the same way without the library has passed.
count_postgres() {
	local passed failed same
	read -r passed failed < <(count_pg_regress "$1")
	same=$(grep -c '^same without the library' "$1")
	echo "$((passed + same)) $((failed - same))"
}
count_sqlsmith() { count_examples "$1"; }
count_soak() { count_prove "$1"; }
count_valgrind() { count_pg_regress "$1"; }
count_clients() { count_examples "$1"; }

# "All 7 tests passed." or "2 of 7 tests failed."
count_pg_regress() {
	awk '
		/All [0-9]+ tests passed/ { match($0, /[0-9]+/); passed += substr($0, RSTART, RLENGTH) }
		/[0-9]+ of [0-9]+ tests failed/ {
			match($0, /[0-9]+ of [0-9]+/); split(substr($0, RSTART, RLENGTH), n, " of ")
			failed += n[1]; passed += n[2] - n[1]
		}
		END { print passed + 0, failed + 0 }' "$1"
}

# "Files=3, Tests=42, ..." has all that ran.  What failed is in a summary of one
# line a file; a file can also fail without a failed test.
count_prove() {
	awk '
		/^Files=[0-9]+, Tests=[0-9]+/ { match($0, /Tests=[0-9]+/); tests += substr($0, RSTART + 6, RLENGTH - 6) }
		/\(Wstat: .*Failed: [0-9]+\)/ {
			match($0, /Failed: [0-9]+/); n = substr($0, RSTART + 8, RLENGTH - 8) + 0
			in_tests += n; failed += (n ? n : 1)
		}
		END { print tests - in_tests, failed + 0 }' "$1"
}

# --------------------------------------------------------------------------
# Private servers: unix socket only, so that there are no ports to collide
# --------------------------------------------------------------------------

socket_of() {
	printf '%s\n' "$WORK/$1.run"
}

start_server() {
	local data=$WORK/$1.data
	as_user mkdir -p "$(socket_of "$1")" &&
		as_user "$BINDIR/initdb" -D "$data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$WORK/log/$1.initdb" 2>&1 &&
		as_user sh -c 'cat "$1" >>"$2"' append "$CONF" "$data/postgresql.conf" &&
		as_user "$BINDIR/pg_ctl" -D "$data" -s -w -l "$data/server.log" \
			-o "-c listen_addresses='' -c unix_socket_directories='$(socket_of "$1")'" start && return
	say "could not start a server for suite $1"
	tail -n 20 "$WORK/log/$1.initdb" "$data/server.log" 2>/dev/null
	return 1
}

let_workers_work() {
	run_psql "$1" postgres -c 'ALTER SYSTEM SET cqrs.max_workers = 4' -c 'SELECT pg_reload_conf()' >/dev/null
}

stop_server() {
	as_user "$BINDIR/pg_ctl" -D "$WORK/$1.data" -s -w -m fast stop
}

# run_psql SERVER DATABASE ARGUMENTS
run_psql() {
	limited "$BINDIR/psql" -X -q -v ON_ERROR_STOP=1 -h "$(socket_of "$1")" -U postgres -d "$2" "${@:3}"
}

# Whatever server this run has started and not stopped, by its pid file.
stop_all_servers() {
	local pidfile
	while IFS= read -r pidfile; do
		as_user "$BINDIR/pg_ctl" -D "${pidfile%/postmaster.pid}" -s -m immediate stop 2>/dev/null || true
	done < <(find "$WORK" -name postmaster.pid 2>/dev/null)
}

# --------------------------------------------------------------------------
# What to look at after a failure
# --------------------------------------------------------------------------

show_failure() {
	local file
	case $1 in
		# The first difference is the one that explains the others.
		regress | isolation) show_lines head "$SRC/regression.diffs" 200 ;;
		pgtap | examples | clients) show_end "$WORK/$1.data/server.log" 60 ;;
		tap)
			for file in $(tap_logs_of_failures); do
				show_end "$file" 100
			done
			;;
	esac
	if [[ $1 == regress || $1 == isolation ]]; then
		show_server_trouble
	fi
}

# A server that did not start leaves no differences, and one that crashed leaves
# some that say little.
show_server_trouble() {
	local file
	for file in "$SRC"/log/*.log "$SRC"/tmp_check*/log/*.log; do
		if [[ ! -s $SRC/regression.diffs ]] || grep -qE 'TRAP:|PANIC:|was terminated by' "$file" 2>/dev/null; then
			show_end "$file" 60
		fi
	done
}

# The summary of prove names the files that failed.  When prove was ended before
# it wrote one, the files written last are those that hung.
tap_logs_of_failures() {
	local name names
	names=$(sed -n 's,^test/t/\([^ ]*\)\.pl *(Wstat.*,\1,p' "$WORK/log/tap.log")
	if [[ -z $names ]]; then
		names=$(cd "$SRC/tmp_check/log" && ls -t | sed -n 's/^regress_log_//p' | head -n 2)
	fi
	while IFS= read -r name; do
		compgen -G "$SRC/tmp_check/log/regress_log_$name" || true
		compgen -G "$SRC/tmp_check/log/${name}_*.log" | head -n 4 || true
	done <<<"$names"
}

show_end() {
	show_lines tail "$@"
}

# show_lines head|tail FILE COUNT
show_lines() {
	[[ -s $2 ]] || return 0
	heading "$1 of $2"
	"$1" -n "$3" "$2"
}
