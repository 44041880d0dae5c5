# pg_upgrade from an older major: events, cursors, read models and parked events
# come along, workers stay away while it lasts, and then go on where they were.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

# Where scripts/test has put an older PostgreSQL, with cqrs: .../lib/postgresql/MAJOR
my $older = $ENV{CQRS_TEST_OLDER};
plan skip_all => 'there is no older PostgreSQL to upgrade from'
  unless $older && -x "$older/bin/postgres";

my $settings = "shared_preload_libraries = 'cqrs'\ncqrs.max_workers = 4\ncqrs.poll_interval = 1h\nlog_min_messages = debug1\nfsync = off\n";
my $old;
{
	local %ENV = %ENV;
	delete $ENV{TEMP_CONFIG};
	$old = PostgreSQL::Test::Cluster->new('old', install_path => $older);
	$old->init;
	$old->append_conf('postgresql.conf', $settings);
}
$old->start;
note('from ' . $old->safe_psql('postgres', 'SHOW server_version'));
create_database($old, 'd');
define_projection($old, 'd', $_) for qw(p q s);
$old->safe_psql('d', q{
	SELECT cqrs_create_projection('inline', 'shop', 'CREATE TABLE inline_counts (stream text PRIMARY KEY, n bigint, last bigint)', mode => 'inline');
	SELECT cqrs_on('inline', 'T', $$
		INSERT INTO inline_counts VALUES (event.stream, 1, event.version)
		ON CONFLICT (stream) DO UPDATE SET n = inline_counts.n + 1, last = event.version $$);
	SELECT cqrs_start('inline');
	CREATE TYPE amount AS (n integer, note text);
	SELECT cqrs_create_event_type('Amount', 'amount');
	SELECT cqrs_create_projection('amounts', 'shop', 'CREATE TABLE amounts (stream text PRIMARY KEY, n integer CHECK (n < 100))');
	SELECT cqrs_on('amounts', 'Amount', $$ INSERT INTO amounts VALUES (event.stream, event.n)
		ON CONFLICT (stream) DO UPDATE SET n = event.n $$);
	SELECT cqrs_start('amounts')});
emit($old, 'd', "s$_") for 1 .. 20;
$old->safe_psql('d', q{SELECT cqrs_emit('a', 'Amount', '{"n": 1}'), cqrs_emit('a', 'Amount', '{"n": 100}'), cqrs_emit('a', 'Amount', '{"n": 3}'), cqrs_emit('b', 'Amount', '{"n": 4}');
	SELECT cqrs_wait()});
is($old->safe_psql('d', 'SELECT count(*) FROM cqrs.parked_event'), '2', 'two events are parked');

# One that is paused, one with a late event in the middle of a step, all with a backlog
$old->safe_psql('d', q{SELECT cqrs_pause('s')});
$old->append_conf('postgresql.conf', 'cqrs.max_workers = 0');
$old->restart;
my $open = $old->background_psql('d');
$open->query_safe(q{BEGIN; SELECT cqrs_emit('late', 'T')});
emit($old, 'd', "t$_") for 1 .. 5;
$old->safe_psql('d', q{SELECT cqrs_catch_up('q', 3)});
$open->query_safe('COMMIT');
$open->quit;
$old->append_conf('postgresql.conf', 'cqrs.max_workers = 4');
my $tables = q{
	SELECT * FROM cqrs.event ORDER BY position;
	SELECT * FROM cqrs.cursor ORDER BY name;
	SELECT * FROM cqrs.parked_event ORDER BY projection, position;
	SELECT * FROM cqrs.projection ORDER BY name;
	SELECT * FROM cqrs.stream ORDER BY 1;
	SELECT * FROM cqrs.incarnation ORDER BY 1;
	SELECT * FROM shop.p_counts ORDER BY 1; SELECT * FROM shop.amounts ORDER BY 1};
my $before = $old->safe_psql('d', $tables);
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new', new_installation());
$new->init(extra => $new->pg_version >= 18 ? ['--no-data-checksums'] : []);
$new->append_conf('postgresql.conf', $settings);
my $log_directory = PostgreSQL::Test::Utils::tempdir();
{
	local $ENV{LD_LIBRARY_PATH} = "$older/lib";
	chdir $log_directory;
	my $done = run_log([ $new->config_data('--bindir') . '/pg_upgrade', '--no-sync', '--retain',
			'-d', $old->data_dir, '-D', $new->data_dir, '-b', "$older/bin", '-B', $new->config_data('--bindir'),
			'-s', $new->host, '-p', $old->port, '-P', $new->port ]);

	# Some minor releases write a property of tables that others do not know yet.
	if (!$done && grep { slurp_file($_) =~ /unrecognized parameter "pg_attver"/ } glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log'))
	{
		note('these minor releases cannot be upgraded to one another');
		done_testing();
		exit;
	}
	ok($done, 'pg_upgrade to ' . $new->pg_version);
}
my @logs = glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_server*.log');
cmp_ok(scalar @logs, '>', 0, 'the servers of pg_upgrade have written logs');
is(scalar(grep { slurp_file($_) =~ /starting background worker process "cqrs|cqrs launcher/ } @logs), 0, 'no process of ours was started meanwhile');

# All as it was, before anybody works on it
$new->append_conf('postgresql.conf', 'cqrs.max_workers = 0');
$new->start;
is($new->safe_psql('d', $tables), $before, 'events, cursors, projections, parked events and read models are the same');
$new->append_conf('postgresql.conf', 'cqrs.max_workers = 4');
$new->reload;
eventually($new, 'd', $_->[1], '0', "workers are back: $_->[0] went on")
  for map { [ $_, Workers::difference($_) ] } qw(p q inline);
is($new->safe_psql('d', q{SELECT state, events_behind > 0 FROM cqrs.projection_status WHERE projection = 's'}), 'paused|t', 'what was paused still is');
$new->safe_psql('d', q{SELECT cqrs_resume('s')});
eventually($new, 'd', Workers::difference('s'), '0', '... and goes on when resumed');

# Parked events, and what queues behind them
is($new->safe_psql('d', q{
	DO $$ BEGIN PERFORM cqrs_emit('a', 'Amount', '{"n": 5}'), cqrs_emit('c', 'Amount', '{"n": 6}'), cqrs_emit('s1', 'T'), cqrs_emit('new', 'T'); END $$;
	SELECT cqrs_wait(); SELECT string_agg(stream || n, ' ' ORDER BY stream) FROM shop.amounts; SELECT count(*) FROM cqrs.parked_event}),
	"t\na1 b4 c6\n3", 'events still queue behind the parked one');
$new->safe_psql('d', q{ALTER TABLE "amounts$1".amounts DROP CONSTRAINT amounts_n_check});
is($new->safe_psql('d', q{SELECT cqrs_retry_parked('amounts'); SELECT string_agg(stream || n, ' ' ORDER BY stream) FROM shop.amounts}),
	"3\na5 b4 c6", '... and can be retried');
caught_up_ok($new, 'd', $_, "events of the new cluster reach $_") for qw(p q s inline);
is($new->safe_psql('d', 'SELECT count(*), min(version), max(version), count(DISTINCT position) FROM cqrs.event WHERE stream = ' . "'s1'"), '2|1|2|2', 'positions and versions go on');

# The functions of the old cluster say "$libdir/cqrs".  From 18 on that is the
# directory itself, not where the settings of the tests point to: so here is an
# installation with our library in that directory.
sub new_installation
{
	my $lib = `pg_config --pkglibdir`;
	my $share = `pg_config --sharedir`;
	my $bin = `pg_config --bindir`;
	chomp($lib, $share, $bin);
	my ($major) = $lib =~ m{/usr/lib/postgresql/(\d+)/lib$};
	return () unless $major && $major >= 18 && !-e "$lib/cqrs.so";

	my $top = PostgreSQL::Test::Utils::tempdir();
	my ($library) = grep { -e } map { "$_/cqrs.so" } split /:/, slurp_file($ENV{TEMP_CONFIG}) =~ /^dynamic_library_path = '(.*)'/m ? $1 : '';
	system_or_bail('mkdir', '-p', "$top/lib/postgresql/$major/lib", "$top/share/postgresql");
	system_or_bail('cp', '-r', $bin, "$top/lib/postgresql/$major/bin");
	system_or_bail('ln', '-s', $share, "$top/share/postgresql/$major");
	system_or_bail('ln', '-s', glob("$lib/*"), $library, "$top/lib/postgresql/$major/lib/");
	return (install_path => "$top/lib/postgresql/$major");
}

$new->stop;
unlike(slurp_file($new->logfile), qr/TRAP|PANIC|terminated by signal/, 'no crash');
done_testing();
