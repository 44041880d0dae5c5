# Rules that do harm to whoever executes them, sequences that are set back, and
# deadlocks with users: neighbours go on, and nothing is applied twice.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'sleep';
use Workers;

my $node = new_node('main', "cqrs.retry_min = 100ms\ncqrs.retry_max = 2s\nlog_min_messages = log\ndeadlock_timeout = 100ms\n");
$node->start;
create_database($node, 'd');
$node->safe_psql('d', q{
	CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN;
	GRANT USAGE, CREATE ON SCHEMA shop TO alice, bob;
	CREATE SCHEMA f; GRANT USAGE, CREATE ON SCHEMA f TO alice;
	SELECT cqrs_grant('alice', 'define'), cqrs_grant('bob', 'define')});
define_projection($node, 'd', 'neighbour', 'alice');
define_projection($node, 'd', 'stranger', 'bob');

# A rule that ends the process it runs in, again and again
$node->safe_psql('d', q{
	SET ROLE alice;
	CREATE TABLE f.switch (is_on boolean); INSERT INTO f.switch VALUES (true);
	CREATE FUNCTION f.deadly(event cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF event.type = 'Deadly' AND (SELECT is_on FROM f.switch) THEN
			PERFORM pg_terminate_backend(pg_backend_pid());
		END IF;
		INSERT INTO deadly VALUES (event.position);
	END $$;
	SELECT cqrs_create_projection('deadly', 'shop', 'CREATE TABLE deadly (position bigint PRIMARY KEY)');
	RESET ROLE;
	GRANT USAGE ON SCHEMA cqrs TO alice;
	SET ROLE alice;
	SELECT cqrs_on('deadly', '*', 'f.deadly(cqrs.event)'::regprocedure);
	SELECT cqrs_start('deadly')});
emit($node, 'd', 'a');
eventually($node, 'd', 'SELECT count(*) FROM shop.deadly', '1', 'a rule works');
my $offset = -s $node->logfile;
$node->safe_psql('d', q{SELECT cqrs_emit('a', 'Deadly'); SELECT cqrs_emit('a', 'T')});
$node->wait_for_log(qr/terminating background worker "cqrs worker" due to administrator command/, $offset);
emit($node, 'd', 'b');
caught_up_ok($node, 'd', 'stranger', '... projections of others are not harmed');
caught_up_ok($node, 'd', 'neighbour', '... those of the same owner go on, too');
sleep 3;
my @ends = slurp_file($node->logfile, $offset) =~ /FATAL:  terminating background worker "cqrs worker"/g;
cmp_ok(scalar @ends, '<', 20, '... it is tried again, not too often') or diag(scalar @ends);
$node->safe_psql('d', 'UPDATE f.switch SET is_on = false');
eventually($node, 'd', 'SELECT count(*) FROM shop.deadly', '4', '... and goes on when it is mended');

# An event that fails is parked and others are not, though a worker's batch has no
# subtransaction before one has failed.  Then cursor and row are of one transaction.
my $one_transaction = q{SELECT c.xmin = n.xmin FROM cqrs.cursor c, "strict$1".strict n WHERE c.name LIKE 'strict%'};
$node->safe_psql('d', q{
	SELECT cqrs_create_projection('strict', 'shop', 'CREATE TABLE strict (one int PRIMARY KEY, n int)');
	SELECT cqrs_on('strict', 'S', $$INSERT INTO strict VALUES (1, 1) ON CONFLICT (one)
		DO UPDATE SET n = strict.n + 1 / (event.data->>'n')::int$$);
	SELECT cqrs_start('strict')});
my $one = q{SELECT cqrs_emit('strict', 'S', '{"n": 1}'); SELECT cqrs_wait(projections => '{strict}')};
$node->safe_psql('d', "$one; $one");
is($node->safe_psql('d', $one_transaction), 't', 'a batch is one transaction, without another one in it');
$offset = -s $node->logfile;
$node->safe_psql('d', q{
	DO $$BEGIN PERFORM cqrs_emit('strict' || n, 'S', jsonb_build_object('n', n)) FROM generate_series(0, 2) n; END$$;
	SELECT cqrs_wait(projections => '{strict}')});
is($node->safe_psql('d', q{SELECT n FROM shop.strict; SELECT stream, sqlstate FROM cqrs.parked_event WHERE projection = 'strict'}), "3\nstrict0|22012", 'one of three events is parked, and the others are applied once');
unlike(slurp_file($node->logfile, $offset), qr/ERROR:  division by zero/, '... and nothing had to be tried later');
$node->safe_psql('d', $one);
is($node->safe_psql('d', $one_transaction), 'f', 'the next batch is on its guard');
$node->safe_psql('d', $one);
is($node->safe_psql('d', $one_transaction), 't', '... and that after it is not');
$node->safe_psql('d', q{SELECT cqrs_discard_parked('strict'); SELECT cqrs_drop_projection('strict')});

# Memory that cannot be had
$node->safe_psql('d', q{
	SELECT cqrs_create_projection('greedy', 'shop', 'CREATE TABLE greedy (position bigint PRIMARY KEY, size bigint)');
	SELECT cqrs_on('greedy', 'T', $$INSERT INTO greedy VALUES (event.position, length(repeat('x', (event.data->>'n')::int)))$$);
	SELECT cqrs_start('greedy')});
$node->safe_psql('d', q{SELECT cqrs_emit('greedy', 'T', '{"n": 10}'), cqrs_emit('greedy2', 'T', '{"n": 2000000000}'), cqrs_emit('greedy', 'T', '{"n": 20}')});
eventually($node, 'd', q{SELECT count(size) FROM shop.greedy WHERE size IS NOT NULL}, '2', 'who asks for too much memory is parked, others are not');
is($node->safe_psql('d', q{SELECT stream, sqlstate FROM cqrs.parked_event WHERE projection = 'greedy'}), 'greedy2|54000', '... with the reason');
is($node->safe_psql('d', q{SELECT cqrs_discard_parked('greedy'); SELECT cqrs_drop_projection('greedy')}), "1\n", '... and can be given up');

# A sequence that is set back: positions are not given out twice
my ($status, $out, $err) = $node->psql('d', q{SELECT setval('cqrs.event_position', 1); SELECT cqrs_emit('b', 'T')});
like($err, qr/duplicate key value violates unique constraint "event_pkey"/, 'a position that is taken is not given out again');
$node->safe_psql('d', q{SELECT setval('cqrs.event_position', (SELECT max(position) FROM cqrs.event))});
emit($node, 'd', 'b');
caught_up_ok($node, 'd', 'neighbour', '... and events go on after the repair');

# Locks in the opposite order: a user who holds a read table wants what a worker holds
foreach my $want (q{SELECT cqrs_catch_up('neighbour')}, q{SELECT cqrs_retry_parked('neighbour')}, q{SELECT cqrs_pause('neighbour'); SELECT cqrs_resume('neighbour')})
{
	my $session = $node->background_psql('d', on_error_stop => 0);
	$session->query_safe(q{BEGIN; LOCK TABLE "neighbour$1".neighbour_counts});
	$node->safe_psql('d', q{SELECT cqrs_append('s' || i, array_fill('T'::text, '{10}'), array_fill('{}'::jsonb, '{10}')) FROM generate_series(1, 50) i});
	eventually($node, 'd', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND wait_event_type = 'Lock'}, 't', 'a worker waits for a user');
	$session->query($want);
	$session->query('COMMIT');
	$session->quit;
	caught_up_ok($node, 'd', $_, "... who says $want: nothing is lost, nothing twice") for qw(neighbour stranger);
	is($node->safe_psql('d', q{SELECT state FROM cqrs.projection_status WHERE projection = 'neighbour'}), 'running', '... and nothing stopped');
}
$node->stop;
done_testing();
