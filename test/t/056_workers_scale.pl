# Two hundred databases, a thousand projections: all are served, and those that
# have nothing to do cost nothing.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $databases = 200;
my $projections = 1000;

# Nobody looks into databases for the sake of old commands
my $node = new_node('main', "cqrs.max_workers = 3\nmax_connections = 50\ncqrs.ledger_retention = -1\n"
	  . "shared_preload_libraries = 'cqrs, cqrs_test'\nlog_min_messages = warning\nautovacuum = off\nmax_locks_per_transaction = 256\n");
$node->start;

# One session that goes through all databases; a line for each
sub in_each
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', join('', map { "\\connect d$_\n$sql;\n" } 0 .. $databases - 1));
}

sub served
{
	my ($events) = @_;
	return scalar grep { $_ eq $events } split /\n/, in_each("SELECT coalesce(max(n), 0) FROM shop.p_counts WHERE stream = 's'");
}

sub served_ok
{
	my ($events, $name) = @_;
	my $count = 0;
	for (1 .. 60) { last if ($count = served($events)) == $databases; }
	return is($count, $databases, $name);
}

# Ticks of processor time that a process has used
sub ticks
{
	my ($pid) = @_;
	my @fields = split / /, slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr;
	return $fields[11] + $fields[12];
}

my $launcher = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cqrs launcher'});
my $none = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('cqrs worker', 'cqrs scanner')};

# The launcher and all that it has started, over three seconds of nobody's doing anything
sub rests_ok
{
	my ($name) = @_;
	eventually($node, 'postgres', $none, '0', "$name: no process");
	my $before = ticks($launcher);
	is($node->safe_psql('postgres', "SELECT pg_sleep(3); $none"), "\n0", '... nor comes one up for nothing');
	cmp_ok(ticks($launcher) - $before, '<=', 3, '... and the launcher sleeps');
	return;
}

create_database($node, 'd0');
define_projection($node, 'd0', 'p');
emit($node, 'd0', 'first');
caught_up_ok($node, 'd0', 'p', 'the first database is served');
rests_ok('one projection');

# Copies, found without a restart.  Each is looked into once, when it is new
$node->safe_psql('postgres', join '', map { "CREATE DATABASE d$_ TEMPLATE d0;\n" } 1 .. $databases - 1);
in_each(q{SELECT cqrs_emit('s', 'T')});
served_ok(1, "$databases databases are served by three processes");
cmp_ok(workers($node), '<=', 3, 'no more processes than allowed');
is($node->safe_psql('d0', 'SELECT count(*) FROM cqrs.parked_event'), '0', 'nothing is parked');
rests_ok("$databases databases");
in_each(q{SELECT cqrs_emit('s', 'T')});
served_ok(2, '... and once more, when they have rested');

# All are looked into again when roles change, and what was found stays
$node->safe_psql('postgres', 'CREATE ROLE somebody');
in_each(q{SELECT cqrs_emit('s', 'T')});
served_ok(3, '... and after DDL on roles');

# A scanner that is ended by somebody leaves nothing unseen
create_database($node, 'd');
$node->safe_psql('d', 'CREATE EXTENSION cqrs_test');
define_projection($node, 'd', 'p');
emit($node, 'd', 'first');
caught_up_ok($node, 'd', 'p', 'a worker is there');
stop_at($node, 'scanner-listed');
define_projection($node, 'd', 'q');
my $scanner = stopped_at($node, 'scanner-listed');
$node->safe_psql('d', "SELECT pg_terminate_backend($scanner)");
emit($node, 'd', 'second');
caught_up_ok($node, 'd', 'q', 'somebody else looks when a scanner was ended');

# A thousand projections, each with events of its own
create_database($node, 'many');
$node->safe_psql('many', qq{
	DO \$\$ BEGIN
		FOR i IN 1 .. $projections LOOP
			PERFORM cqrs_create_projection('p' || i, 'shop', format('CREATE TABLE t%s (n int PRIMARY KEY)', i));
			PERFORM cqrs_on('p' || i, 'T' || i, format('INSERT INTO t%s VALUES (event.version)', i));
			PERFORM cqrs_start('p' || i);
		END LOOP;
	END \$\$});
is($node->safe_psql('many', q{SELECT cqrs_emit('s', 'T500'); SELECT cqrs_wait(timeout => '60s'); SELECT n FROM shop.t500}),
	"1\nt\n1", "$projections projections see an event");
is($node->safe_psql('many', q{SELECT count(*), sum(events_applied), sum(events_behind), count(last_error) FROM cqrs.projection_status}),
	"$projections|1|0|0", '... and one of them has a use for it');
rests_ok("$projections projections");
is($node->safe_psql('many', q{SELECT cqrs_emit('s', 'T900'); SELECT cqrs_wait(NULL, '{p900}', '60s'); SELECT n FROM shop.t900}),
	"2\nt\n2", 'one of them is woken');
eventually($node, 'many', q{SELECT count(*) FROM cqrs.projection_status WHERE events_behind > 0}, '0', '... and the others go past the event');
is($node->safe_psql('many', q{SELECT count(*) FROM shop.t1, shop.t1000}), '0', '... without applying it');
cmp_ok(workers($node), '<=', 3, 'no more processes than allowed');
rests_ok("$projections projections once more");

# Workers are kept out of so many databases, each once
my ($status, $out, $err) = $node->psql('postgres',
	join(";\n", 'BEGIN', map({ "ALTER DATABASE d0 RENAME TO d0_$_; ALTER DATABASE d0_$_ RENAME TO d0" } 1 .. 40),
		map({ "ALTER DATABASE d$_ RENAME TO e$_" } 1 .. 32), 'ROLLBACK'));
is($status, 0, 'many databases are renamed at once');
is($err =~ s/^psql:<stdin>:\d+: //gmr, qq{WARNING:  cannot keep workers out of database "d32"\nDETAIL:  They are kept out of at most 32 databases at a time.},
	'... and a warning says where workers might come in between');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal/, 'no crash');
done_testing();
