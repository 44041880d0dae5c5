# A process dies between two steps, wherever that is: what is in the read model is
# what the log says, each event once.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'sleep';
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

sub stop_at { $node->safe_psql('d', "SELECT cqrs_test.stop_at('$_[0]')"); return; }

# The process that was stopped, when there is one
sub stopped_at
{
	my ($point) = @_;
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
	my ($victim, $pid) = @_;
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

# Workers
foreach my $point (qw(batch-read batch-applied batch-saved worker-commits worker-committed))
{
	foreach my $victim (qw(itself other postmaster))
	{
		stop_at($point);
		$node->safe_psql('d', $append);
		my $pid = stopped_at($point);
		is($node->safe_psql('d', "SELECT backend_type FROM pg_stat_activity WHERE pid = $pid"), 'cqrs worker', '... a worker');
		strike($victim, $pid);
		caught_up_ok($node, 'd', $_, "killed at $point ($victim): $_ went on") for qw(p q);
	}
	foreach my $function (qw(pg_terminate_backend pg_cancel_backend))
	{
		stop_at($point);
		$node->safe_psql('d', $append);
		my $pid = stopped_at($point);
		$node->safe_psql('d', "SELECT $function($pid)");
		$node->safe_psql('d', "SELECT cqrs_test.go_on('$point')") if $point eq 'worker-committed';
		caught_up_ok($node, 'd', $_, "$function at $point: $_ went on") for qw(p q);
		$node->safe_psql('d', "SELECT cqrs_test.go_on('$point')");
	}
}

# Launcher and scanner
foreach my $victim (qw(itself postmaster))
{
	stop_at('launcher-assigns');
	$node->safe_psql('d', q{SELECT cqrs_pause('q'); SELECT cqrs_resume('q')});
	my $pid = stopped_at('launcher-assigns');
	$node->safe_psql('d', $append);
	strike($victim, $pid);
	caught_up_ok($node, 'd', $_, "launcher killed ($victim): $_ went on") for qw(p q);

	stop_at('scanner-listed');
	$node->safe_psql('d', q{SELECT cqrs_pause('q'); SELECT cqrs_resume('q')});
	$pid = stopped_at('scanner-listed');
	$node->safe_psql('d', $append);
	strike($victim, $pid);
	caught_up_ok($node, 'd', $_, "scanner killed ($victim): $_ went on") for qw(p q);
}

# A session that appends, before its commit and between that and the wake-up
my $number = 0;
foreach my $point (qw(events-appended session-committed))
{
	foreach my $victim (qw(itself other postmaster))
	{
		my $stream = 'appended' . ++$number;
		stop_at($point);
		my $session = $node->background_psql('d', on_error_stop => 0);
		$session->query_until(qr/go/, "\\echo go\nSELECT cqrs_emit('$stream', 'T');\n");
		my $pid = stopped_at($point);
		strike($victim, $pid);
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
