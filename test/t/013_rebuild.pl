# Builds are replaced under load, again and again, and in between processes die.
# Readers check that the model never goes back and is never incomplete.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Workers;

my $swaps = $ENV{CQRS_TEST_SWAPS} // 20;
my $node = new_node('main', "restart_after_crash = on\ncqrs.retry_min = 10ms\ncqrs.batch_max_events = 500\n");
$node->start;
create_database($node, 'd');
define_projection($node, 'd', 'p');

# Each look must show at least what the session saw before; two looks in one
# transaction with one snapshot, the same; one from within a function with its caller's
# snapshot, no less than that snapshot's log had been applied to.
$node->safe_psql('d', q{
	SELECT cqrs_append('s' || i % 500, array_fill('T'::text, '{20}'), array_fill('{}'::jsonb, '{20}')) FROM generate_series(1, 2000) i;
	SELECT cqrs_wait(timeout => '60s');
	CREATE FUNCTION shop.total() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT sum(n) FROM shop.p_counts); END';
	CREATE FUNCTION shop.must_not_fall(seen bigint, what text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF seen < coalesce(nullif(current_setting('test.seen', true), ''), '40000')::bigint OR seen IS NULL THEN
			RAISE EXCEPTION '%: saw % after %', what, seen, current_setting('test.seen', true);
		END IF;
		PERFORM set_config('test.seen', seen::text, false);
	END $$;});
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/read.sql", q{
SELECT shop.must_not_fall((SELECT sum(n) FROM shop.p_counts)::bigint, 'statement');
SELECT shop.must_not_fall(shop.total(), 'function');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT shop.total() AS first \gset
SELECT CASE WHEN (SELECT sum(n) FROM shop.p_counts) = :first THEN shop.must_not_fall(:first, 'repeatable') ELSE shop.must_not_fall(-1, 'not repeatable') END;
COMMIT;
});
append_to_file("$dir/write.sql", q{
\set s random(1, 500)
SELECT cqrs_emit('s' || :s, 'T');
\sleep 2 ms
});

sub start_pgbench
{
	my ($script, $clients, $seconds) = @_;
	my %run = (name => $script);
	$run{harness} = IPC::Run::start(
		[ 'pgbench', '-n', '-f', "$dir/$script.sql", '-c', $clients, '-T', $seconds, '-l', '--log-prefix', "$dir/$script",
			$node->connstr('d') ],
		'<', \undef, '>', "$dir/$script.out", '2>&1');
	return \%run;
}

sub rebuild
{
	my ($change) = @_;
	$node->safe_psql('d', $change // q{SELECT cqrs_rebuild('p')});
	return;
}

my $swapped = q{SELECT next_build IS NULL FROM cqrs.projection_status WHERE projection = 'p'};

# Load, readers and swaps; every other time the shape changes, too
{
	my $writers = start_pgbench('write', 2, 600);
	my $readers = start_pgbench('read', 2, 600);
	foreach my $round (1 .. $swaps)
	{
		rebuild($round % 2 ? undef : qq{
			SELECT cqrs_revise('p', 'CREATE TABLE p_counts (stream text PRIMARY KEY, n bigint, last bigint, extra$round int); CREATE INDEX ON p_counts (n)');
			SELECT cqrs_start('p')});
		next if $node->poll_query_until('d', $swapped, 't');
		diag($node->safe_psql('d', 'SELECT * FROM cqrs.build_progress; SELECT * FROM cqrs.worker_status'));
		last;
	}
	is($node->safe_psql('d', q{SELECT live_build FROM cqrs.projection_status WHERE projection = 'p'}),
		$swaps + 1, "$swaps swaps under load");
	foreach my $run ($writers, $readers)
	{
		ok($run->{harness}->pumpable, "those who $run->{name} are at it still") or diag(slurp_file("$dir/$run->{name}.out"));
		$run->{harness}->signal('INT');
		$run->{harness}->finish;
		unlike(slurp_file("$dir/$run->{name}.out"), qr/ERROR|aborted/, "none of them has had an error");
	}
	my ($longest) = sort { $b <=> $a } map { (split ' ')[2] } grep { 6 <= split ' ' } map { split /\n/, slurp_file($_) } grep { /\.\d+$/ } glob "$dir/read.*";
	note(sprintf('longest transaction of a reader: %.1f ms', $longest / 1000));
}
caught_up_ok($node, 'd', 'p', 'read model = recomputed read model');
is($node->safe_psql('d', q{SELECT count(*) FROM cqrs_check('p')}), '0', '... and cqrs_check() says so');
is($node->safe_psql('d', q{SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'p$%'}), '1', 'nothing is left of the old builds');

# Ends of all kinds, in the middle of a build: it goes on from the last batch
$node->safe_psql('d', q{
	SELECT cqrs_append('s' || i % 500, array_fill('T'::text, '{20}'), array_fill('{}'::jsonb, '{20}')) FROM generate_series(1, 10000) i;
	SELECT cqrs_wait(timeout => '60s')});
my $worker = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND query = 'rebuilding' LIMIT 1};
my $done = q{SELECT coalesce(max(events_done), 0) FROM cqrs.build_progress};
$node->append_conf('postgresql.conf', 'cqrs.batch_max_events = 50');
$node->reload;
foreach my $end (qw(terminate cancel kill kill9 immediate restart))
{
	rebuild();
	$node->poll_query_until('d', q{SELECT EXISTS (SELECT FROM cqrs.build_progress WHERE events_done > 1000) OR NOT EXISTS (SELECT FROM cqrs.build_progress)}, 't');
	my $pid = $node->safe_psql('d', $worker);
	my $before = $node->safe_psql('d', $done);
	if ($end eq 'terminate' || $end eq 'cancel')
	{
		$node->safe_psql('d', "SELECT pg_${end}_backend($pid)") if $pid;
	}
	elsif ($end eq 'kill')
	{
		kill 'KILL', $pid if $pid;
		eventually($node, 'postgres', 'SELECT 1', '1', 'the server is up again');
	}
	elsif ($end eq 'kill9')
	{
		my @children = split /\n/, $node->safe_psql('d', 'SELECT pid FROM pg_stat_activity');
		$node->kill9;
		for (1 .. 200) { last unless grep { kill 0, $_ } @children; sleep 0.1; }
		$node->start;
	}
	else
	{
		$node->stop($end eq 'restart' ? 'fast' : $end);
		$node->start;
	}
	my $after = $node->safe_psql('d', "$done; $swapped");
	my ($position, $over) = split /\n/, $after;
	cmp_ok($position, '>=', $before, "$end: goes on from where it was") if $over eq 'f' && $end =~ /terminate|cancel|restart/;
	eventually($node, 'd', $swapped, 't', "$end: the build is in place in the end");
	caught_up_ok($node, 'd', 'p', '... and holds what it has to');
}
is($node->safe_psql('d', q{SELECT count(*) FROM cqrs_check('p')}), '0', 'cqrs_check() has nothing to say');

# A build is dumped in the middle, and finished elsewhere
rebuild();
$node->safe_psql('d', q{SELECT cqrs_pause('p')});
is($node->safe_psql('d', $swapped), 'f', 'paused in the middle of a build');
my $port = $node->port;
my $host = $node->host;
foreach my $way ('plain', 'custom', 'schema')
{
	$node->safe_psql('postgres', "CREATE DATABASE $way");
	if ($way eq 'custom')
	{
		command_ok([ 'pg_dump', '-Fc', '-f', "$dir/d.dump", '-d', $node->connstr('d') ], 'pg_dump -Fc');
		command_ok([ 'pg_restore', '-j', '2', '-d', $node->connstr($way), "$dir/d.dump" ], 'pg_restore -j 2');
	}
	else
	{
		command_ok([ 'pg_dump', ($way eq 'schema' ? '--schema-only' : ()), '-f', "$dir/$way.sql", '-d', $node->connstr('d') ], "pg_dump, $way");
		command_ok([ 'psql', '-Xqb', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/$way.sql", '-d', $node->connstr($way) ], "psql, $way");
	}
	next if $way eq 'schema';
	$node->safe_psql($way, q{SELECT cqrs_resume('p'); SELECT cqrs_emit('elsewhere', 'T')});
	eventually($node, $way, $swapped, 't', "$way: the build is in place");
	caught_up_ok($node, $way, 'p', '... and holds what it has to');
}
# Without data there are tables and views of a projection that nobody knows
$node->safe_psql('schema', q{DROP VIEW shop.p_counts});
define_projection($node, 'schema', 'p');
emit($node, 'schema', 'one');
caught_up_ok($node, 'schema', 'p', 'schema: a projection of that name can be made again');

unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal (?!9)/, 'no crash but ours');
$node->stop;
done_testing();
