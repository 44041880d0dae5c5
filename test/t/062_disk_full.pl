# A disk that is full, or fails: no event is blamed for it, nothing is lost, and
# all goes on by itself when there is room again.
use strict;
use warnings FATAL => 'all';

use Errno qw(ENOSPC EDQUOT EFBIG EIO);
use FindBin;
use lib "$FindBin::RealBin/../lib", "$FindBin::RealBin/../chaos/lib";
use Chaos;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use Workers;

plan skip_all => 'needs programs that "make -C test/chaos" builds' unless Chaos::can_run();

my $node = new_node('main', "cqrs.retry_min = 100ms\nrestart_after_crash = on\nautovacuum = off\n");
my $faults = bless { dir => $node->basedir, faults => $node->basedir . '/faults' }, 'Chaos';

$faults->set_faults(0, 0, 0);
$faults->start_node($node);
create_database($node, 'd');

# What it reads takes less room than what it writes.
$node->safe_psql('d', q{
	SELECT cqrs_create_projection('p', 'shop', 'CREATE TABLE p_wide (position bigint PRIMARY KEY, filler text);
		ALTER TABLE p_wide ALTER filler SET STORAGE PLAIN');
	SELECT cqrs_on('p', 'T', $$INSERT INTO p_wide VALUES (event.position, repeat('x', 2000))$$);
	SELECT cqrs_start('p')});

# An event that was parked: so there is room for others to be parked
$node->safe_psql('d', q{
	SELECT cqrs_create_projection('q', 'shop', 'CREATE TABLE q (n int)');
	SELECT cqrs_on('q', 'Bad', 'INSERT INTO q VALUES (event.version / (event.version - event.version))');
	SELECT cqrs_start('q');
	SELECT cqrs_emit('bad', 'Bad')});
eventually($node, 'd', q{SELECT count(*) FROM cqrs.parked_event}, '1', 'an event is parked');

my $missing = q{SELECT count(*) FROM cqrs.event e FULL JOIN shop.p_wide w USING (position) WHERE (w.filler IS NULL OR e.type IS NULL) AND e.type IS DISTINCT FROM 'Bad'};
my $blamed = q{SELECT events_parked, state FROM cqrs.projection_status WHERE projection = 'p'};
my $append = q{SELECT cqrs_append('s' || i % 10, array_fill('T'::text, '{100}'), array_fill('{}'::jsonb, '{100}')) FROM generate_series(1, 10) i};

# Data.  A quota that is used up is another error for PostgreSQL, and for us the same.
foreach my $case ([ ENOSPC, 'a full disk' ], [ EDQUOT, 'a quota' ], [ EFBIG, 'a limit of the size of files' ], [ EIO, 'a broken disk' ])
{
	my ($errno, $what) = @$case;

	# the log has room, as nothing is to be applied while this lasts
	$node->safe_psql('d', "SELECT cqrs_pause('p')");
	$node->safe_psql('d', $append);
	my $offset = -s $node->logfile;
	$faults->set_faults(0, 1, $errno);
	$node->safe_psql('d', "SELECT cqrs_resume('p')");
	eventually($node, 'd', q{SELECT worker FROM cqrs.projection_status WHERE projection = 'p'}, 'waiting to retry', "$what: the batch fails");
	like($node->safe_psql('d', q{SELECT last_error FROM cqrs.projection_status WHERE projection = 'p'}), qr/could not extend file|could not write/, '... and it is said why');
	sleep 2;
	my @lines = slurp_file($node->logfile, $offset) =~ /ERROR:  could not/g;
	cmp_ok(scalar @lines, '<', 12, '... and the log is not flooded');
	is($node->safe_psql('d', $blamed), '0|running', '... no event is parked, and the projection is not stopped');
	$faults->set_faults(0, 0, 0);
	eventually($node, 'd', $missing, '0', "$what: all is applied when there is room");
	is($node->safe_psql('d', $blamed), '0|running', '... nothing was given up');
}

# A rebuild, while it fills the new tables
{
	$node->safe_psql('d', q{BEGIN; SELECT cqrs_rebuild('p'); SELECT cqrs_pause('p'); COMMIT});
	my $offset = -s $node->logfile;
	$faults->set_faults(0, 1, ENOSPC);
	$node->safe_psql('d', q{SELECT cqrs_resume('p')});
	$node->wait_for_log(qr/ERROR:  could not (?:extend|write)/, $offset);
	is($node->safe_psql('d', $blamed), '0|running', 'a rebuild without room: no event is parked, and the projection is not stopped');
	is($node->safe_psql('d', q{SELECT phase FROM cqrs.build_progress}), 'filling', '... nor is the build');
	$faults->set_faults(0, 0, 0);
	eventually($node, 'd', q{SELECT live_build FROM cqrs.projection_status WHERE projection = 'p'}, '2', '... which is in place when there is room');
	is($node->safe_psql('d', $missing), '0', '... with all events');
	is($node->safe_psql('d', q{SELECT count(*) FROM cqrs_check('p')}), '0', '... as they ought to be');
}

# A session that appends gets an error, and no half of it.
$faults->set_faults(0, 1, ENOSPC);
my ($status, $out, $err);
for (1 .. 200)
{
	($status, $out, $err) = $node->psql('d', $append);
	last if $status != 0;
}
isnt($status, 0, 'an append without room is refused');
like($err, qr/No space left on device/, '... with the reason');
$faults->set_faults(0, 0, 0);
eventually($node, 'd', $missing, '0', '... and what had been committed is applied');

# The write-ahead log: the server goes down, and comes back when there is room.
$faults->set_faults(0, 2, ENOSPC);
for (1 .. 200)
{
	($status) = $node->psql('d', "$append; SELECT pg_switch_wal()");
	last if $status != 0;
}
isnt($status, 0, 'without room for the write-ahead log the server goes down');
sleep 1;
$faults->set_faults(0, 0, 0);
my $back = 0;
for (1 .. 100)
{
	($status, $out) = eval { $node->psql('d', 'SELECT 1') };
	last if $back = defined $status && $status == 0;
	if (defined $node->{_pid} && !kill 0, $node->{_pid})
	{
		$faults->start_node($node);
	}
	sleep 0.2;
}
ok($back, '... and comes back');
eventually($node, 'd', $missing, '0', '... with all that was acknowledged, applied once');
is($node->safe_psql('d', $blamed), '0|running', '... and nothing given up');
is($node->safe_psql('d', q{SELECT cqrs_emit('last', 'T'); SELECT cqrs_wait(timeout => '30s')}), "1\nt", 'events go on');
$node->stop;
done_testing();
