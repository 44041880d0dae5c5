# What the tests of workers have in common: a server whose workers are at work,
# projections, and the question whether they hold what the log says.
package Workers;
use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'sleep';

our @EXPORT = qw(new_node create_database define_projection emit caught_up_ok projection_ok eventually workers
	stop_at stopped_at strike);

# Liveness bound of everything below, in seconds: generous, as machines are busy.
$ENV{PG_TEST_TIMEOUT_DEFAULT} ||= 40;

# A server that is not started yet.  Polling is as good as off.
sub new_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(allows_streaming => 1);
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'cqrs'\nmax_prepared_transactions = 10\n"
		  . "cqrs.max_workers = 4\ncqrs.poll_interval = 1h\ncqrs.retry_max = 1s\n"
		  . "wal_level = logical\nmax_worker_processes = 16\n" . ($conf // ''));
	return $node;
}

sub create_database
{
	my ($node, $database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION cqrs; CREATE SCHEMA shop');
	return;
}

# Counts the events of each stream, in table shop.NAME_counts.
sub define_projection
{
	my ($node, $database, $name, $role) = @_;
	my $as = $role ? "SET ROLE $role;" : '';
	$node->safe_psql($database, qq{$as
		SELECT cqrs_create_projection('$name', 'shop',
			'CREATE TABLE ${name}_counts (stream text PRIMARY KEY, n bigint, last bigint)');
		SELECT cqrs_on('$name', 'T', \$\$
			INSERT INTO ${name}_counts VALUES (event.stream, 1, event.version)
			ON CONFLICT (stream) DO UPDATE SET n = ${name}_counts.n + 1, last = event.version \$\$);
		SELECT cqrs_start('$name')});
	return;
}

sub emit
{
	my ($node, $database, $stream) = @_;
	return $node->safe_psql($database, "SELECT cqrs_emit('$stream', 'T')");
}

# Polls until a query gives this result.
sub eventually
{
	my ($node, $database, $query, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($node->poll_query_until($database, $query, $expected), $name);
}

# Comes to hold what the log says, without anybody's doing anything.
sub caught_up_ok
{
	my ($node, $database, $projection, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $done = $node->poll_query_until($database, difference($projection), '0');
	diag($node->safe_psql($database,
			'SELECT * FROM cqrs.worker_status; SELECT * FROM cqrs.projection_status'))
	  unless $done;
	return projection_ok($node, $database, $projection, $name);
}

# Read model = recomputed read model, and nothing was parked.
sub projection_ok
{
	my ($node, $database, $projection, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($database,
			difference($projection) . '; SELECT count(*) FROM cqrs.parked_event'), "0\n0", $name);
}

# The next process that comes to this place stops there (see src/README.md).
sub stop_at
{
	my ($node, $point) = @_;
	$node->safe_psql('d', "SELECT cqrs_test.stop_at('$point')");
	return;
}

# The process that was stopped, when there is one
sub stopped_at
{
	my ($node, $point) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	eventually($node, 'd', "SELECT cqrs_test.stopped_at('$point') IS NOT NULL", 't', "a process is stopped at $point");
	return $node->safe_psql('d', "SELECT cqrs_test.stopped_at('$point')");
}

sub gone_ok
{
	my ($pid, $name) = @_;
	my $gone = 0;
	for (1 .. 200) { last if $gone = !kill(0, $pid); sleep 0.1; }
	return ok($gone, $name);
}

# Kills the process, another one, or the postmaster, and waits for the server.
sub strike
{
	my ($node, $victim, $pid) = @_;
	if ($victim eq 'postmaster')
	{
		$node->kill9;
		gone_ok($pid, '... who does not survive the postmaster');
		$node->start;
		return;
	}
	my $bystander = $node->background_psql('d', on_error_stop => 0);
	my $other = $bystander->query_safe('SELECT pg_backend_pid()');
	kill 'KILL', $victim eq 'itself' ? $pid : $other;
	gone_ok($pid, '... and ends');
	eventually($node, 'postgres', 'SELECT 1', '1', 'the server is up again');
	eval { $bystander->quit };
	return;
}

sub difference
{
	my ($projection) = @_;
	return qq{SELECT count(*) FROM shop.${projection}_counts c
		FULL JOIN (SELECT stream, count(*) AS n, max(version) AS last FROM cqrs.event WHERE type = 'T' GROUP BY stream) e
		USING (stream, n, last) WHERE c.stream IS NULL OR e.stream IS NULL};
}

# How many workers there are in a database, or everywhere.
sub workers
{
	my ($node, $database) = @_;
	my $where = $database ? "AND datname = '$database'" : '';
	return $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker' $where");
}

1;
