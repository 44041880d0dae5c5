# The clock of the machine jumps, back by a day and forward by years, while there
# is something to wait for: nothing waits longer for it.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib", "$FindBin::RealBin/../chaos/lib";
use Chaos;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';
use Workers;

plan skip_all => 'needs programs that "make -C test/chaos" builds' unless Chaos::can_run();

my $day = 86400;
my $node = new_node('main', "cqrs.retry_min = 2s\ncqrs.retry_max = 2s\n");
my $faults = bless { dir => $node->basedir, faults => $node->basedir . '/faults' }, 'Chaos';

sub set_clock { $faults->set_faults($_[0], 0, 0); return; }

set_clock(0);
$faults->start_node($node);
create_database($node, 'd');
define_projection($node, 'd', 'p');
emit($node, 'd', 'first');
caught_up_ok($node, 'd', 'p', 'a worker is there');
set_clock($day);
is($node->safe_psql('d', q{SELECT clock_timestamp() > now() + interval '0' AND now() > pg_postmaster_start_time() + interval '23 hours'}),
	't', 'the clock can be moved');
emit($node, 'd', 'forward');
caught_up_ok($node, 'd', 'p', 'a jump forward');
set_clock(0);
emit($node, 'd', 'back');
caught_up_ok($node, 'd', 'p', 'a jump back');

my $waiting = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND wait_event_type = 'Lock'};
my $worker = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cqrs worker'};

# Backing off after an error, and after the end of a worker, when the clock jumps back
foreach my $function (qw(pg_cancel_backend pg_terminate_backend))
{
	set_clock($day);
	my $lock = $node->background_psql('d');
	$lock->query_safe(q{BEGIN; LOCK TABLE "p$1".p_counts});
	emit($node, 'd', 'retry');
	eventually($node, 'd', $waiting, '1', 'a worker waits');
	$node->safe_psql('d', "SELECT $function(pid) FROM ($worker) w");
	eventually($node, 'd', $waiting, '0', "$function: it backs off");
	set_clock(0);
	$lock->query_safe('COMMIT');
	$lock->quit;
	caught_up_ok($node, 'd', 'p', "$function: tried again though the clock was set back");
}

# The launcher's own times
set_clock($day);
create_database($node, 'd1');
define_projection($node, 'd1', 'p');
emit($node, 'd1', 'first');
caught_up_ok($node, 'd1', 'p', 'a new database');
set_clock(0);
create_database($node, 'd2');
define_projection($node, 'd2', 'p');
emit($node, 'd2', 'first');
caught_up_ok($node, 'd2', 'p', 'a new database after the clock was set back');

# Waiting takes as long as was said
foreach my $jump (-$day, 10 * 365 * $day)
{
	my $open = $node->background_psql('d');
	my $waiter = $node->background_psql('d');
	$open->query_safe(q{BEGIN; SELECT cqrs_emit('open', 'T')});
	my $token = $open->query_safe('SELECT cqrs_token()');
	my $start = time;
	$waiter->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_wait('$token', timeout => '3s');\n});
	set_clock($jump);
	is($waiter->query_safe('SELECT 1'), "f\n1", "waiting came to an end, the clock having jumped by $jump seconds");
	cmp_ok(time - $start, '>', 2.5, '... not too early');
	cmp_ok(time - $start, '<', 20, '... not too late');
	$open->query_safe('COMMIT');
	$open->quit;
	$waiter->quit;
	caught_up_ok($node, 'd', 'p', '... and events go on');
	set_clock(0);
}

# What has nothing to do goes, though it has been idle "since tomorrow"
set_clock($day);
emit($node, 'd', 'idle');
caught_up_ok($node, 'd', 'p', 'a worker becomes idle');
set_clock(0);
eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker'}, '0', '... and goes');

is($node->safe_psql('d', 'SELECT count(*) FROM cqrs.event'), $node->safe_psql('d', 'SELECT sum(n) FROM shop.p_counts'), 'all is there, once');
$node->stop;
done_testing();
