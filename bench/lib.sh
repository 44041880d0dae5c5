# Sourced by the benchmarks: a private server with the extension built from this
# checkout, and runs of pgbench that take turns.

# shellcheck shell=bash

BENCH_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$BENCH_TOP/scripts/lib/common.sh"

BENCH_SECONDS=${BENCH_SECONDS:-5}		# length of one run
BENCH_ROUNDS=${BENCH_ROUNDS:-3}			# runs of each variant
BENCH_CLIENTS=${BENCH_CLIENTS:-1 8 32}

# bench_server: builds without assertions, starts a server of its own, and points
# libpq at it.  The server goes away with the script.
bench_server() {
	local major=15 bin=/usr/lib/postgresql/15/bin
	BENCH_DIR=$(mktemp -d /var/tmp/cqrs-bench-XXXXXX)
	mkdir "$BENCH_DIR/data" "$BENCH_DIR/src" "$BENCH_DIR/stage"
	chmod 755 "$BENCH_DIR"
	trap bench_stop EXIT

	copy_tree "$BENCH_TOP" "$BENCH_DIR/src"
	local part
	for part in "$BENCH_DIR/src" "$BENCH_DIR"/src/test/module "$BENCH_DIR"/src/test/engine; do
		make -s -C "$part" PG_CONFIG="$bin/pg_config" install DESTDIR="$BENCH_DIR/stage" >>"$BENCH_DIR/build.log" 2>&1 ||
			die "the build failed: see $BENCH_DIR/build.log"
	done
	chown -R "$(server_user)" "$BENCH_DIR"

	forget_pg_environment
	as_user "$bin/initdb" -D "$BENCH_DIR/data" -U postgres -A trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
	{
		staged_settings "$major" "$BENCH_DIR/stage"
		cat <<-END
			unix_socket_directories = '$BENCH_DIR'
			listen_addresses = ''
			shared_preload_libraries = 'cqrs'
			shared_buffers = 6GB
			max_wal_size = 16GB
			checkpoint_timeout = 1h
			max_connections = 200
			max_prepared_transactions = 20
			jit = off
			max_parallel_workers_per_gather = 0
		END
		printf '%s\n' "${BENCH_SETTINGS:-}"
	} >>"$BENCH_DIR/data/postgresql.conf"
	as_user "$bin/pg_ctl" -D "$BENCH_DIR/data" -l "$BENCH_DIR/server.log" -w start >/dev/null ||
		die "the server did not start: see $BENCH_DIR/server.log"

	export PGHOST=$BENCH_DIR PGUSER=postgres PGDATABASE=bench PATH=$bin:$PATH
	psql -Xq -d postgres -c 'CREATE DATABASE bench'
	psql -Xq -c 'CREATE EXTENSION cqrs' -c 'CREATE EXTENSION cqrs_test'
}

bench_stop() {
	as_user /usr/lib/postgresql/15/bin/pg_ctl -D "$BENCH_DIR/data" -m immediate stop >/dev/null 2>&1 || true
	rm -rf "$BENCH_DIR"
}

# tps SCRIPT CLIENTS: transactions per second.  One client shares a core with its
# backend, which inherits it from the postmaster: else waking an idle virtual core
# would be most of what is measured.
tps() {
	local postmaster all
	postmaster=$(head -n 1 "$BENCH_DIR/data/postmaster.pid")
	all=0-$(($(nproc) - 1))
	(($2 > 1)) || taskset -cp 0 "$postmaster" >/dev/null
	taskset -c "$( (($2 > 1)) && echo "$all" || echo 0)" \
		pgbench -n -M prepared -c "$2" -j 2 -T "$BENCH_SECONDS" -f "$1" 2>&1 |
		sed -n 's/^tps = \([0-9]*\).*/\1/p'
	taskset -cp "$all" "$postmaster" >/dev/null
}

# record BENCH CASE VARIANT VALUE: for bench/run, which makes a table of what all of
# them recorded; repeated values count by their median
record() {
	[[ -z ${BENCH_RESULTS:-} ]] || printf '%s\t%s\t%s\t%s\n' "$@" >>"$BENCH_RESULTS"
}

# median NUMBER...
median() {
	printf '%s\n' "$@" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

# lowest and highest: NUMBER... -> "low-high"
spread() {
	printf '%s\n' "$@" | sort -n | awk 'NR == 1 { low = $1 } { high = $1 } END { print low "-" high }'
}

# ratio A B
ratio() {
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'
}

# value SQL: one value
value() {
	psql -XAtq -v ON_ERROR_STOP=1 -c "$1"
}

# seconds_of SQL: how long a statement takes, by psql's clock
seconds_of() {
	psql -Xq -v ON_ERROR_STOP=1 -c '\timing on' -c "$1" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p' |
		awk '{ t += $1 } END { printf "%.4f", t / 1000 }'
}

machine() {
	printf '%s cores, %s, PostgreSQL %s\n' "$(nproc)" \
		"$(awk '/MemTotal/ { printf "%d GB of memory", $2 / 1048576 }' /proc/meminfo)" \
		"$(value 'SHOW server_version' | cut -d' ' -f1)"
}
