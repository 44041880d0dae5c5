# Who has trouble, or much to do, does not keep others from getting their turn.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "cqrs.max_workers = 1\ncqrs.ledger_retention = -1\nshared_preload_libraries = 'cqrs, cqrs_test'\n");
$node->start;
create_database($node, $_) for qw(d e f);
define_projection($node, $_, 'p') for qw(d e f);
emit($node, $_, 'one') for qw(d e f);
caught_up_ok($node, $_, 'p', "workers serve $_") for qw(d e f);

# Projections that change all the time: a scanner is at work, and the next one is
# asked for, but so is one for another database
sub change_projection
{
	my ($database) = @_;
	$node->safe_psql($database, q{SELECT cqrs_pause('p')});
	$node->safe_psql($database, q{SELECT cqrs_resume('p')});
	return;
}
my $scanned = q{SELECT datname FROM pg_stat_activity WHERE pid = };
$node->safe_psql('d', 'CREATE EXTENSION cqrs_test');
eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs scanner'}, '0', 'nobody looks for projections');
foreach my $others ([qw(e f)], [qw(f e)])
{
	stop_at($node, 'scanner-listed');
	change_projection('d');
	is($node->safe_psql('d', $scanned . stopped_at($node, 'scanner-listed')), 'd', 'a database is looked into');
	my %seen;
	change_projection($_) for @$others, 'd';
	for (1 .. 2)
	{
		$node->safe_psql('d', q{SELECT cqrs_test.go_on('scanner-listed'), cqrs_test.stop_at('scanner-listed')});
		$seen{$node->safe_psql('d', $scanned . stopped_at($node, 'scanner-listed'))} = 1;
		change_projection('d');
	}
	is(join(' ', sort keys %seen), 'e f', '... and two others before it gets its next turn');
	$node->safe_psql('d', q{SELECT cqrs_test.go_on('scanner-listed')});
	eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs scanner'}, '0', '... which it gets');
}

# A projection that has always something to do, and the rebuild of another one
$node->safe_psql('d', q{
	CREATE FUNCTION shop.nap(n bigint) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN true; END';
	SELECT cqrs_create_projection('slow', 'shop', 'CREATE TABLE last (stream text PRIMARY KEY, at bigint)');
	SELECT cqrs_on_batch('slow', '{T}', $$
		INSERT INTO last SELECT stream, max(position) FROM events WHERE (SELECT shop.nap(count(*)) FROM events) GROUP BY stream
		ON CONFLICT (stream) DO UPDATE SET at = excluded.at$$);
	SELECT cqrs_start('slow')});
my $dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$dir/emit.sql", q{SELECT cqrs_emit('load', 'T');});
my $load = IPC::Run::start([ 'pgbench', '-n', '-f', "$dir/emit.sql", '-R', 50, '-T', 600, $node->connstr('d') ],
	'<', \undef, '>', "$dir/out", '2>&1');
eventually($node, 'd', q{SELECT count(*) > 0 FROM shop.last WHERE stream = 'load'}, 't', 'a projection is busy');
$node->safe_psql('d', q{SELECT cqrs_rebuild('p')});
eventually($node, 'd', q{SELECT live_build FROM cqrs.projection_status WHERE projection = 'p'}, '2', 'another one is rebuilt beside it');
$load->signal('TERM');
$load->finish;
caught_up_ok($node, 'd', 'p', '... and holds what it has to');

# Databases that cannot be looked into
my $offset = -s $node->logfile;
$node->append_conf('postgresql.conf', "cqrs.retry_min = 1h\ncqrs.retry_max = 1h");
$node->safe_psql($_, 'ALTER TABLE cqrs.projection RENAME COLUMN live_build TO away') for qw(e f);
$node->reload;
create_database($node, 'new');
define_projection($node, 'new', 'p');
emit($node, 'new', 'first');
caught_up_ok($node, 'new', 'p', 'two databases that cannot be looked into do not hold up a third one');
my @errors = slurp_file($node->logfile, $offset) =~ /ERROR:  column p.live_build does not exist/g;
cmp_ok(scalar @errors, '>=', 2, '... though both were tried');
cmp_ok(scalar @errors, '<=', 4, '... and are left alone for a while');
$node->safe_psql($_, 'ALTER TABLE cqrs.projection RENAME COLUMN away TO live_build') for qw(e f);
$node->append_conf('postgresql.conf', "cqrs.retry_min = 100ms\ncqrs.retry_max = 1s");
$node->restart;

# One where somebody holds a lock
my $lock = $node->background_psql('e');
$lock->query_safe('BEGIN; LOCK TABLE cqrs.projection');
$node->reload;
eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs scanner' AND wait_event_type = 'Lock'}, '1', 'a scanner waits for a lock');
create_database($node, 'newer');
define_projection($node, 'newer', 'p');
emit($node, 'newer', 'first');
caught_up_ok($node, 'newer', 'p', '... and another database is looked into, all the same');
$lock->query_safe('COMMIT');
$lock->quit;
define_projection($node, 'e', 'q');
emit($node, 'e', 'second');
caught_up_ok($node, 'e', 'q', '... and in the end the one with the lock');

# One pool has two workers that have nothing to do, another one a worker that is stuck
$node->append_conf('postgresql.conf', 'cqrs.max_workers = 4');
$node->restart;
create_database($node, 'g');
$node->safe_psql('g', "CREATE ROLE $_ LOGIN SUPERUSER") for qw(alice bob);
define_projection($node, 'g', $_, 'alice') for qw(a1 a2);
define_projection($node, 'g', $_, 'bob') for qw(b1 b2);
my $workers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND };
$lock = $node->background_psql('g');
$lock->query_safe('BEGIN; LOCK TABLE "a1$1".a1_counts, "a2$1".a2_counts');
emit($node, 'g', 'first');
eventually($node, 'g', "$workers usename = 'alice' AND wait_event_type = 'Lock'", '2', 'two workers of one owner');
$lock->query_safe('COMMIT');
caught_up_ok($node, 'g', $_, '... and then they have nothing to do') for qw(a1 a2 b1 b2);
$lock->query_safe('BEGIN; LOCK TABLE "b1$1".b1_counts');
emit($node, 'g', 'second');
eventually($node, 'g', "$workers usename = 'bob' AND wait_event_type = 'Lock'", '1', 'the worker of another one is stuck');
emit($node, 'g', 'third');
caught_up_ok($node, 'g', 'b2', '... and gets help');
$lock->query_safe('COMMIT');
caught_up_ok($node, 'g', $_, 'all go on') for qw(a1 a2 b1 b2);

# All places are taken: by one that is stuck, and by one that has something to do now and then
$node->safe_psql('g', q{SELECT cqrs_drop_projection('a1'); SELECT cqrs_drop_projection('a2')});
$node->append_conf('postgresql.conf', 'cqrs.max_workers = 2');
$node->reload;
$load = IPC::Run::start([ 'pgbench', '-n', '-f', "$dir/emit.sql", '-R', 5, '-T', 600, $node->connstr('f') ],
	'<', \undef, '>', "$dir/out", '2>&1');
$lock->query_safe('BEGIN; LOCK TABLE "b1$1".b1_counts');
emit($node, 'g', 'fourth');
eventually($node, 'g', "$workers usename = 'bob' AND wait_event_type = 'Lock'", '1', 'a worker is stuck');
emit($node, 'g', 'fifth');
caught_up_ok($node, 'g', 'b2', '... and another one gets the place of one that is idle');
$load->signal('TERM');
$load->finish;
caught_up_ok($node, 'f', 'p', '... to which it comes back');
$lock->query_safe('COMMIT');
$lock->quit;

# One process for all: that it is taken is no failure of the database, and no reason to wait
$node->append_conf('postgresql.conf', "cqrs.retry_min = 1h\ncqrs.retry_max = 1h\nmax_worker_processes = 3");
$node->restart;
emit($node, 'd', 'last');
caught_up_ok($node, 'd', 'p', 'a worker has the only process');
define_projection($node, 'f', 'q');
emit($node, 'f', 'last');
caught_up_ok($node, 'f', 'q', '... and goes when another database is to be looked into');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal/, 'no crash');
done_testing();
