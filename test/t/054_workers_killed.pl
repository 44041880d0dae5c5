# A process dies between two steps, wherever that is: what is in the read model is
# what the log says, each event once.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "shared_preload_libraries = 'cqrs, cqrs_test'\nrestart_after_crash = on\ncqrs.retry_min = 10ms\n");
$node->start;
create_database($node, 'd');
$node->safe_psql('d', 'CREATE EXTENSION cqrs_test');
define_projection($node, 'd', 'p');
define_projection($node, 'd', 'q');
emit($node, 'd', 'first');
caught_up_ok($node, 'd', $_, "a worker serves $_") for qw(p q);

my $append = q{SELECT cqrs_append('s' || i % 50, array_fill('T'::text, '{10}'), array_fill('{}'::jsonb, '{10}')) FROM generate_series(1, 100) i};

# Workers
foreach my $point (qw(batch-read batch-applied batch-saved worker-commits worker-committed))
{
	foreach my $victim (qw(itself other postmaster))
	{
		stop_at($node, $point);
		$node->safe_psql('d', $append);
		my $pid = stopped_at($node, $point);
		is($node->safe_psql('d', "SELECT backend_type FROM pg_stat_activity WHERE pid = $pid"), 'cqrs worker', '... a worker');
		strike($node, $victim, $pid);
		caught_up_ok($node, 'd', $_, "killed at $point ($victim): $_ went on") for qw(p q);
	}
	foreach my $function (qw(pg_terminate_backend pg_cancel_backend))
	{
		stop_at($node, $point);
		$node->safe_psql('d', $append);
		my $pid = stopped_at($node, $point);
		$node->safe_psql('d', "SELECT $function($pid)");
		$node->safe_psql('d', "SELECT cqrs_test.go_on('$point')") if $point eq 'worker-committed';
		caught_up_ok($node, 'd', $_, "$function at $point: $_ went on") for qw(p q);
		$node->safe_psql('d', "SELECT cqrs_test.go_on('$point')");
	}
}

# Launcher and scanner
foreach my $victim (qw(itself postmaster))
{
	stop_at($node, 'launcher-assigns');
	$node->safe_psql('d', q{SELECT cqrs_pause('q'); SELECT cqrs_resume('q')});
	my $pid = stopped_at($node, 'launcher-assigns');
	$node->safe_psql('d', $append);
	strike($node, $victim, $pid);
	caught_up_ok($node, 'd', $_, "launcher killed ($victim): $_ went on") for qw(p q);

	stop_at($node, 'scanner-listed');
	$node->safe_psql('d', q{SELECT cqrs_pause('q'); SELECT cqrs_resume('q')});
	$pid = stopped_at($node, 'scanner-listed');
	$node->safe_psql('d', $append);
	strike($node, $victim, $pid);
	caught_up_ok($node, 'd', $_, "scanner killed ($victim): $_ went on") for qw(p q);
}

# A session that appends, before its commit and between that and the wake-up
my $number = 0;
foreach my $point (qw(events-appended session-committed))
{
	foreach my $victim (qw(itself other postmaster))
	{
		my $stream = 'appended' . ++$number;
		stop_at($node, $point);
		my $session = $node->background_psql('d', on_error_stop => 0);
		$session->query_until(qr/go/, "\\echo go\nSELECT cqrs_emit('$stream', 'T');\n");
		my $pid = stopped_at($node, $point);
		strike($node, $victim, $pid);
		eval { $session->quit };
		is($node->safe_psql('d', "SELECT count(*) FROM cqrs.event WHERE stream = '$stream'"),
			$point eq 'events-appended' ? '0' : '1', "killed at $point ($victim): the event is there if it was committed");
		caught_up_ok($node, 'd', $_, "... and $_ went on") for qw(p q);
	}
}
emit($node, 'd', 'last');
caught_up_ok($node, 'd', $_, "at the end $_ is woken") for qw(p q);
is($node->safe_psql('d', q{SELECT count(*) FROM cqrs.projection WHERE state <> 'running'}), '0', 'none was stopped');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal (?!9)/, 'no crash but ours');
done_testing();
