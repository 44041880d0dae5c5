# Many databases, many projections, few processes; and none.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "shared_preload_libraries = 'cqrs, cqrs_test'\ncqrs.max_workers = 2\nmax_connections = 50\n");
$node->start;

# One template, copied: the copies are found without a restart
create_database($node, 'd0');
define_projection($node, 'd0', 'p');
define_projection($node, 'd0', 'q');
$node->safe_psql('postgres', "CREATE DATABASE d$_ TEMPLATE d0 STRATEGY file_copy") for 1 .. 23;
foreach my $round (1 .. 2)
{
	emit($node, "d$_", "s$_") for 0 .. 23;
	my $wrong = 0;
	for my $n (0 .. 23)
	{
		foreach my $projection (qw(p q))
		{
			$wrong++ unless $node->poll_query_until("d$n",
				"SELECT n FROM shop.${projection}_counts WHERE stream = 's$n'", $round);
		}
	}
	is($wrong, 0, "24 databases are served by two processes, round $round");
}
cmp_ok(workers($node), '<=', 2, 'no more processes than allowed');
projection_ok($node, 'd23', 'p', 'the last one is right');
$node->restart;
emit($node, "d$_", "s$_") for 0 .. 23;
caught_up_ok($node, "d$_", 'p', "found again after a restart: d$_") for (0, 11, 23);

# A setting can be changed at any time
$node->append_conf('postgresql.conf', 'cqrs.max_workers = 0');
$node->reload;
eventually($node, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker'}, '0', 'cqrs.max_workers = 0 sends workers away');
is($node->safe_psql('d0', q{SELECT cqrs_emit('here', 'T'); SELECT cqrs_wait()}), "1\nt", 'then waiting applies in the foreground');
projection_ok($node, 'd0', 'p', '... correctly');
$node->append_conf('postgresql.conf', 'cqrs.max_workers = 1');
$node->reload;

# Long work in one database does not keep others waiting for its end
$node->safe_psql('d0', q{SELECT cqrs_append('s' || i % 100, array_fill('T'::text, '{1000}'), array_fill('{}'::jsonb, '{1000}')) FROM generate_series(1, 200) i});
emit($node, 'd1', 'meanwhile');
caught_up_ok($node, 'd1', 'p', 'one process is shared by two databases');
caught_up_ok($node, 'd0', $_, '... and the long work is done, too') for qw(p q);

# A projection whose batch does not end holds the only place
$node->safe_psql('d0', q{CREATE EXTENSION cqrs_test; SELECT cqrs_test.stop_at('batch-applied')});
emit($node, 'd0', 'stuck');
eventually($node, 'd0', q{SELECT cqrs_test.stopped_at('batch-applied') IS NOT NULL}, 't', 'the only worker is stuck');
my $lock = $node->background_psql('d2', on_error_stop => 0);
$lock->query_safe(q{BEGIN; LOCK TABLE "p$1".p_counts});
emit($node, 'd2', 'waiting');
eventually($node, 'd2', q{SELECT DISTINCT worker FROM cqrs.projection_status}, 'waiting for a worker', 'status says what the others wait for');
is($node->safe_psql('d2', q{SELECT database, state FROM cqrs.worker_status WHERE pid IS NULL AND database = 'd2'}), 'd2|waiting for a worker', '... and whose turn it is not');

# One that waits for a lock gives its place up, though another one has been asked to
$node->append_conf('postgresql.conf', 'cqrs.max_workers = 2');
$node->reload;
eventually($node, 'd2', q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'd2' AND backend_type = 'cqrs worker' AND wait_event_type = 'Lock'}, '1', 'another worker waits for a lock');
emit($node, 'd1', 'third');
caught_up_ok($node, 'd1', 'p', 'then the turn of a third one comes');
is($node->safe_psql('d0', q{SELECT cqrs_test.stopped_at('batch-applied') IS NOT NULL}), 't', '... but nobody is ended who does not wait for a lock');
$lock->query_safe('COMMIT');
$lock->quit;
caught_up_ok($node, 'd2', 'p', '... and the second one goes on');
$node->safe_psql('d0', q{SELECT cqrs_test.go_on('batch-applied')});
caught_up_ok($node, 'd0', 'p', '... and the first one, where it was');

# max_worker_processes exhausted: launcher, logical replication launcher, and one
$node->append_conf('postgresql.conf', "cqrs.max_workers = 4\nmax_worker_processes = 3");
my $offset = -s $node->logfile;
$node->restart;
emit($node, "d$_", 'scarce') for 0 .. 5;
caught_up_ok($node, "d$_", 'p', "with one process for all: d$_") for 0 .. 5;
my @warnings = slurp_file($node->logfile, $offset) =~ /(out of background worker slots)/g;
is(scalar @warnings, 1, 'one warning');
like(slurp_file($node->logfile), qr/WARNING:  out of background worker slots.*\n.*DETAIL.*\n.*HINT:  You might need to increase "max_worker_processes"/, '... with a hint')
  if @warnings;

# ... and none at all
$node->append_conf('postgresql.conf', "max_worker_processes = 2");
$offset = -s $node->logfile;
$node->restart;
ok($node->wait_for_log(qr/out of background worker slots/, $offset), 'a warning when nobody can even look for projections');

# Many idle projections: no process
$node->append_conf('postgresql.conf', "max_worker_processes = 16");
$node->restart;
create_database($node, 'many');
$node->safe_psql('many', q{
	SELECT cqrs_create_projection('p' || i, 'shop', format('CREATE TABLE t%s (n int PRIMARY KEY)', i)) FROM generate_series(1, 60) i;
	SELECT cqrs_on('p' || i, 'T', format('INSERT INTO t%s VALUES (event.version)', i)) FROM generate_series(1, 60) i;
	SELECT cqrs_start('p' || i) FROM generate_series(1, 60) i});
is($node->safe_psql('many', q{SELECT cqrs_emit('s', 'T'); SELECT cqrs_wait(timeout => '30s'); SELECT sum(t1.n + t60.n) FROM shop.t1, shop.t60}), "1\nt\n2", 'sixty projections are served');
eventually($node, 'many', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker'}, '0', 'idle projections have no process');
is($node->safe_psql('many', q{SELECT cqrs_emit('s', 'T'); SELECT cqrs_wait(timeout => '30s')}), "2\nt", '... and get one when there is something to do');

# More owners than there is room for
create_database($node, 'owners');
$offset = -s $node->logfile;
$node->safe_psql('owners', q{
	DO $$ BEGIN FOR i IN 1 .. 1024 LOOP EXECUTE format('CREATE ROLE owner%s', i); END LOOP; END $$;
	INSERT INTO cqrs.projection (name, owner, read_schema, on_error, mode, state, live_build)
		SELECT 'p' || i, 'owner' || i, 'shop', 'park', 'async', 'running', 1 FROM generate_series(1, 1024) i});
ok($node->wait_for_log(qr/WARNING:  not all projections of database "owners" can be served/, $offset), 'a warning says that there are too many owners');
$node->safe_psql('owners', 'DELETE FROM cqrs.projection');
define_projection($node, 'owners', 'p');
emit($node, 'owners', 'first');
caught_up_ok($node, 'owners', 'p', 'when they have gone, another one finds a place');
$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal/, 'no crash');

# Without shared_preload_libraries
my $bare = new_node('bare', "shared_preload_libraries = ''\n");
$bare->start;
create_database($bare, 'd');
define_projection($bare, 'd', 'p');
my (undef, undef, $said) = $bare->psql('d', q{SELECT cqrs_pause('p'); SELECT cqrs_resume('p')});
like($said, qr/\A\S* ?WARNING:  this server has no workers that apply events to projections\nHINT:  Add "cqrs" to "shared_preload_libraries" .*cqrs_catch_up\(\)\.\Z/,
	'not preloaded: who changes a projection gets a hint, once');
is($bare->safe_psql('d', q{SELECT cqrs_emit('a', 'T'); SELECT cqrs_wait()}), "1\nt", '... waiting applies in the foreground');
projection_ok($bare, 'd', 'p', '... correctly');
$bare->safe_psql('d', q{CREATE ROLE alice LOGIN; SELECT cqrs_grant('alice', 'send'); SELECT cqrs_grant('alice', 'emit')});
my ($status, $out, $err) = $bare->psql('d', q{SET ROLE alice; SELECT cqrs_emit('a', 'T'); SELECT cqrs_wait()});
is($out, "2\nf", '... if the caller may');
like($err, qr/WARNING:  no worker applies events to projection "p"\nHINT:  Add "cqrs" to "shared_preload_libraries"/, '... and others get a hint');
is($bare->safe_psql('d', q{SELECT cqrs_catch_up(); SELECT * FROM cqrs.worker_status; SELECT events_applied FROM cqrs.projection_status}), "1\n", 'catching up works, and so do the views');
$bare->stop;
done_testing();
