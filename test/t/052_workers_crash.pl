# Ends of all kinds, in the middle of batches: what is in the read model is what
# the log says.  A batch is stopped by a lock on the table that it writes to.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'sleep';
use Workers;

my $node = new_node('main', "restart_after_crash = on\ncqrs.retry_min = 10ms\n");
$node->start;
create_database($node, 'd');
define_projection($node, 'd', 'p');
define_projection($node, 'd', 'q');
emit($node, 'd', 'first');
caught_up_ok($node, 'd', $_, "a worker serves $_") for qw(p q);

my $waiting = q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND wait_event_type = 'Lock'};
my $pid_of_worker = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND wait_event_type = 'Lock' LIMIT 1};

# Stops a worker in the middle of a batch; gives the session that does.
sub stop_in_batch
{
	my $lock = $node->background_psql('d', on_error_stop => 0);
	$lock->query_safe(q{BEGIN; LOCK TABLE "p$1".p_counts});
	$node->safe_psql('d', q{SELECT cqrs_append('s' || i % 50, array_fill('T'::text, '{10}'), array_fill('{}'::jsonb, '{10}')) FROM generate_series(1, 100) i});
	eventually($node, 'd', $waiting, 't', 'a worker is in the middle of a batch');
	return $lock;
}

sub backend_of { return $_[0]->query_safe('SELECT pg_backend_pid()'); }

# A worker is ended, and a batch cancelled
foreach my $function (qw(pg_terminate_backend pg_cancel_backend))
{
	my $lock = stop_in_batch();
	my $pid = $node->safe_psql('d', $pid_of_worker);
	$node->safe_psql('d', "SELECT $function($pid)");
	$lock->query_safe('COMMIT');
	$lock->quit;
	caught_up_ok($node, 'd', $_, "$function: $_ went on") for qw(p q);
}

# A session dies in the middle of an append, a worker in the middle of a batch
foreach my $victim (qw(worker session))
{
	my $lock = stop_in_batch();
	my $open = $node->background_psql('d', on_error_stop => 0);
	$open->query_safe(q{BEGIN; SELECT cqrs_emit('open', 'T')});
	my $pid = $victim eq 'worker' ? $node->safe_psql('d', $pid_of_worker) : backend_of($open);
	kill 'KILL', $pid;
	eventually($node, 'postgres', 'SELECT 1', '1', 'the server is up again');
	eval { $lock->quit };
	eval { $open->quit };
	caught_up_ok($node, 'd', $_, "kill -9 of a $victim: $_ went on") for qw(p q);
	emit($node, 'd', "after $victim");
	caught_up_ok($node, 'd', $_, '... and is woken') for qw(p q);
}

# The postmaster dies
{
	my $lock = stop_in_batch();
	my $pid = $node->safe_psql('d', $pid_of_worker);
	$node->kill9;
	eval { $lock->quit };
	my $gone = 0;
	for (1 .. 200) { last if $gone = !kill(0, $pid); sleep 0.1; }
	ok($gone, 'a worker does not survive the postmaster');
	$node->start;
	caught_up_ok($node, 'd', $_, "kill -9 of the postmaster: $_ went on") for qw(p q);
}

# Orderly ends
foreach my $mode (qw(fast immediate))
{
	my $lock = stop_in_batch();
	$node->stop($mode);
	eval { $lock->quit };
	$node->start;
	caught_up_ok($node, 'd', $_, "stop $mode: $_ went on") for qw(p q);
}
emit($node, 'd', 'smart');
$node->stop('smart');
$node->start;
caught_up_ok($node, 'd', 'p', 'stop smart, with workers there');

# The launcher
my $launcher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cqrs launcher'};
my $pid = $node->safe_psql('d', $launcher);
$node->safe_psql('d', "SELECT pg_terminate_backend($pid)");
eventually($node, 'd', "SELECT count(*) FROM ($launcher) l WHERE pid <> $pid", '1', 'the launcher comes back');
define_projection($node, 'd', 'r');
caught_up_ok($node, 'd', 'r', '... and finds what is new');

# A storm
my $storm = q{SELECT count(*) FROM (SELECT CASE WHEN random() < 0.5 THEN pg_terminate_backend(pid) ELSE pg_cancel_backend(pid) END
	FROM pg_stat_activity WHERE backend_type LIKE 'cqrs %') x};
foreach my $round (1 .. 40)
{
	$node->safe_psql('d', "SELECT cqrs_append('storm$round', array_fill('T'::text, '{200}'), array_fill('{}'::jsonb, '{200}')); $storm");
}
caught_up_ok($node, 'd', $_, "after a storm of cancels and terminates $_ went on") for qw(p q r);
is($node->safe_psql('d', q{SELECT count(*) FROM cqrs.projection WHERE state <> 'running'}), '0', '... and none was stopped');

# A standby
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->safe_psql('d', q{CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT n FROM shop.p_counts WHERE stream = 'standby' $$;
	SELECT cqrs_create_query('Counted', 'counted()')});
my $token = $node->safe_psql('d', q{SELECT cqrs_emit('standby', 'T'); SELECT cqrs_token()});
$token =~ s/.*\n//s;
is($standby->safe_psql('d', "SELECT cqrs_wait('$token', timeout => '30s'); SELECT n FROM shop.p_counts WHERE stream = 'standby'"),
	"t\n1", 'waiting on a standby');
is($standby->safe_psql('d', "SELECT cqrs_query('Counted', token => '$token')"), '1', 'a query on a standby');
is($standby->safe_psql('d', 'SELECT cqrs_wait()'), 't', 'nothing to wait for on a standby');
$node->safe_psql('d', q{SELECT cqrs_pause('p')});
$token = $node->safe_psql('d', q{SELECT cqrs_emit('standby', 'T'); SELECT cqrs_token()});
$token =~ s/.*\n//s;
is($standby->safe_psql('d', "SELECT cqrs_wait('$token', '{q}', '30s')"), 't', 'waiting on a standby for one');
is(workers($standby), '0', 'no worker on a standby');
$node->safe_psql('d', q{SELECT cqrs_resume('p'); SELECT cqrs_emit('last', 'T')});
$node->wait_for_catchup($standby);
$node->stop('immediate');
$standby->promote;
caught_up_ok($standby, 'd', $_, "after promotion $_ went on") for qw(p q r);
emit($standby, 'd', 'promoted');
caught_up_ok($standby, 'd', $_, '... and is woken') for qw(p q r);
$standby->stop;

unlike(slurp_file($_->logfile), qr/TRAP|PANIC|terminated by signal (?!9)/, 'no crash but ours') for ($node, $standby);
done_testing();
