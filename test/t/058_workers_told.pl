# Nothing that workers have to know passes them by, as nobody looks a second time:
# there is no polling, and no scan that something else has caused.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "shared_preload_libraries = 'cqrs, cqrs_test'\ncqrs.ledger_retention = -1\n");
$node->start;
create_database($node, 'd');
$node->safe_psql('d', q{
	CREATE EXTENSION cqrs_test;
	CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN;
	GRANT USAGE, CREATE ON SCHEMA shop TO alice, bob;
	GRANT CREATE ON DATABASE d TO alice, bob;
	SELECT cqrs_grant(r, 'define') FROM unnest('{alice,bob}'::regrole[]) r});

sub state_of { return "SELECT state FROM cqrs.projection_status WHERE projection = '$_[0]'"; }

sub workers_of { return "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND usename = '$_[0]'"; }

# A projection that has stopped runs again when another build takes the place of its own
$node->safe_psql('d', q{
	SELECT cqrs_create_projection('s', 'shop',
		'CREATE TABLE s_counts (stream text PRIMARY KEY, n bigint CHECK (n < 3), last bigint)', on_error => 'stop');
	SELECT cqrs_on('s', 'T', $$INSERT INTO s_counts VALUES (event.stream, 1, event.version)
		ON CONFLICT (stream) DO UPDATE SET n = s_counts.n + 1, last = event.version$$);
	SELECT cqrs_start('s');
	SELECT cqrs_emit('one', 'T') FROM generate_series(1, 3)});
eventually($node, 'd', state_of('s'), 'stopped', 'a projection is stopped by an error');
$node->safe_psql('d', q{
	BEGIN;
	SELECT cqrs_revise('s', 'CREATE TABLE s_counts (stream text PRIMARY KEY, n bigint, last bigint)');
	SELECT cqrs_start('s');
	COMMIT});
eventually($node, 'd', state_of('s'), 'running', '... and runs with a build that is mended');
emit($node, 'd', 'one');
caught_up_ok($node, 'd', 's', '... and is served');

# A pool without a worker, beside one that has two
define_projection($node, 'd', 'a', 'alice');
define_projection($node, 'd', 'b', 'bob');
caught_up_ok($node, 'd', $_, "two more owners: $_") for qw(a b);
$node->safe_psql('d', q{SELECT cqrs_pause('s')});
stop_at($node, 'build-completed');
$node->safe_psql('d', q{SELECT cqrs_rebuild('a', keep_previous => '1 day')});
stopped_at($node, 'build-completed');
emit($node, 'd', 'two');
eventually($node, 'd', workers_of('alice'), '2', 'two workers of one owner');
$node->safe_psql('d', q{SELECT cqrs_test.go_on('build-completed')});
eventually($node, 'd', q{SELECT live_build FROM cqrs.projection_status WHERE projection = 'a'}, '2', '... one of which keeps a build for a day');
caught_up_ok($node, 'd', 'b', '... and one of another owner');
$node->safe_psql('d', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND usename IN ('bob', current_user)});
eventually($node, 'd', workers_of('bob'), '0', '... which ends');
emit($node, 'd', 'three');
caught_up_ok($node, 'd', 'b', '... and is replaced with the next event');
eventually($node, 'd', workers_of('alice'), '0', 'who has nothing to do but tomorrow does not stay');
emit($node, 'd', 'four');
caught_up_ok($node, 'd', 'a', '... and comes back');
$node->safe_psql('d', q{SELECT cqrs_resume('s')});

# A projection is started in a prepared transaction, which outlives the server's memory
$node->safe_psql('d', q{
	BEGIN;
	SELECT cqrs_create_projection('t', 'shop', 'CREATE TABLE t_counts (stream text PRIMARY KEY, n bigint, last bigint)');
	SELECT cqrs_on('t', 'T', $$INSERT INTO t_counts VALUES (event.stream, 1, event.version)
		ON CONFLICT (stream) DO UPDATE SET n = t_counts.n + 1, last = event.version$$);
	SELECT cqrs_start('t');
	PREPARE TRANSACTION 'start'});
$node->restart;
emit($node, 'd', 'five');
caught_up_ok($node, 'd', 's', 'found again after a restart');
$node->safe_psql('d', q{COMMIT PREPARED 'start'});
emit($node, 'd', 'five');
caught_up_ok($node, 'd', 't', 'what a prepared transaction has started is served, after a restart in between');

# ... and then the ends of others are nothing to look into the database for
eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs scanner'}, '0', 'nobody looks into the database');
stop_at($node, 'scanner-listed');
foreach my $end ('ROLLBACK', 'COMMIT')
{
	$node->safe_psql('d', qq{BEGIN; SELECT cqrs_emit('six', 'T'); PREPARE TRANSACTION 'emit'});
	$node->safe_psql('d', qq{$end PREPARED 'emit'});
}
caught_up_ok($node, 'd', 't', 'events of a prepared transaction');
is($node->safe_psql('d', q{SELECT cqrs_test.stopped_at('scanner-listed') IS NULL}), 't', '... are no reason to look for projections');
$node->safe_psql('d', q{SELECT cqrs_test.go_on('scanner-listed')});

# While many commit events, a worker pauses and is not woken.  Whoever waits then is told
# all the same, and what came last is found.
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/emit.sql", q{SELECT cqrs_emit('busy-' || :client_id, 'T');});
append_to_file("$dir/wait.sql", q{
	SELECT cqrs_emit('busy-' || :client_id, 'T');
	SELECT cqrs_stream_version('busy-' || :client_id) AS version \gset
	DO $$BEGIN
		ASSERT cqrs_wait(timeout => '1min'), 'nobody has told';
		ASSERT (SELECT last FROM shop.t_counts WHERE stream = 'busy-:client_id') >= :version, 'it is not there';
	END$$;});
foreach my $burst (1 .. 3)
{
	command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 1500, '-f', "$dir/emit.sql", $node->connstr('d') ], "$burst: many commit events");
	caught_up_ok($node, 'd', 't', '... which are all applied');
}
command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 500, '-f', "$dir/emit.sql\@9", '-f', "$dir/wait.sql\@1", $node->connstr('d') ],
	'who waits among them is told');
caught_up_ok($node, 'd', 't', '... and what comes last is found');

# What a worker has told of itself is believed, without a look at the cursor, until a
# projection is changed
my $token = $node->safe_psql('d', q{DO $$BEGIN PERFORM cqrs_emit('told', 'T'); END$$; SELECT cqrs_token()});
my $wait = "SET lock_timeout = '1s'; SELECT cqrs_wait('$token', '{t}')";
is($node->safe_psql('d', $wait), 't', 'an event has been applied');
my $owner = $node->background_psql('d');
$owner->query_safe('BEGIN; LOCK TABLE cqrs.cursor');
is($node->safe_psql('d', $wait), 't', '... which is known without a look at the cursor');
$node->safe_psql('d', q{SELECT cqrs_create_projection('u', 'shop', 'CREATE TABLE u_counts (n int)')});
like(($node->psql('d', $wait))[2], qr/lock timeout/, '... until somebody changes a projection');
$owner->quit;
is($node->safe_psql('d', $wait), 't', '... and then the cursor tells');

# ... and not of its successor
stop_at($node, 'worker-commits');
$node->safe_psql('d', q{SELECT cqrs_drop_projection('t')});
define_projection($node, 'd', 't');
stopped_at($node, 'worker-commits');
is($node->safe_psql('d', "SELECT cqrs_wait('$token', '{t}', '10ms')"), 'f', 'another projection of that name has not applied it yet');
$node->safe_psql('d', q{SELECT cqrs_test.go_on('worker-commits')});
is($node->safe_psql('d', "SELECT cqrs_wait('$token', '{t}')"), 't', '... and comes to that');
caught_up_ok($node, 'd', 't', '... and to all else');

# ... and not before who has changed it tells so: to himself, to who sees it before the end
# of his commit, and when it was a rule
my $again = q{
	SELECT cqrs_drop_projection('t');
	SELECT cqrs_create_projection('t', 'shop', 'CREATE TABLE t_counts (stream text PRIMARY KEY, n bigint, last bigint)');
	SELECT cqrs_on('t', 'T', $$INSERT INTO t_counts VALUES (event.stream, 1, event.version)
		ON CONFLICT (stream) DO UPDATE SET n = t_counts.n + 1, last = event.version$$);
	SELECT cqrs_start('t');};
like($node->safe_psql('d', "BEGIN; $again SELECT 'applied: ' || cqrs_wait('$token', '{t}', '10ms'); ROLLBACK"), qr/applied: false/,
	'who has made it anew is not told of the old one');
is($node->safe_psql('d', "SELECT cqrs_wait('$token', '{t}')"), 't', '... which is there when that is rolled back');
stop_at($node, 'session-committed');
my $maker = $node->background_psql('d', on_error_stop => 0);
$maker->{stdin} .= "BEGIN; $again COMMIT;\n";
$maker->{run}->pump_nb();
stopped_at($node, 'session-committed');
is($node->safe_psql('d', "SELECT cqrs_wait('$token', '{t}', '10ms')"), 'f', 'nor is another one, who sees it already');
$node->safe_psql('d', q{SELECT cqrs_test.go_on('session-committed')});
$maker->quit;
caught_up_ok($node, 'd', 't', '... and the new one comes to it');

$node->safe_psql('d', q{
	CREATE FUNCTION shop.redo(event cqrs.event) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $f$
	BEGIN
		PERFORM cqrs_drop_projection('v');
		PERFORM cqrs_create_projection('v', 'shop', 'CREATE TABLE v (position bigint PRIMARY KEY)');
		PERFORM cqrs_on('v', 'V', 'INSERT INTO v VALUES (event.position)');
		PERFORM cqrs_start('v');
	END $f$;
	SELECT cqrs_create_projection('v', 'shop', 'CREATE TABLE v (position bigint PRIMARY KEY)');
	SELECT cqrs_on('v', 'V', 'INSERT INTO v VALUES (event.position)');
	SELECT cqrs_start('v');
	SELECT cqrs_create_projection('boss', 'shop', 'CREATE TABLE boss (position bigint PRIMARY KEY)');
	SELECT cqrs_on('boss', 'D', 'shop.redo(cqrs.event)'::regprocedure);
	SELECT cqrs_start('boss')});
my $seen = $node->safe_psql('d', q{DO $$BEGIN PERFORM cqrs_emit('v', 'V'); END$$; SELECT cqrs_token()});
is($node->safe_psql('d', "SELECT cqrs_wait('$seen', '{v,boss}')"), 't', 'an event has been applied');
stop_at($node, 'worker-committed');
$node->safe_psql('d', q{SELECT cqrs_emit('boss', 'D')});
stopped_at($node, 'worker-committed');
is($node->safe_psql('d', "SELECT cqrs_wait('$seen', '{v}', '10ms') = EXISTS (SELECT FROM shop.v)"), 't', '... a rule makes its projection anew, which is not taken for the old one');
$node->safe_psql('d', q{SELECT cqrs_test.go_on('worker-committed')});
is($node->safe_psql('d', "SELECT cqrs_wait('$seen', '{v}')"), 't', '... and is found, and served');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal/, 'no crash');
done_testing();
