# Projections survive what happens to their server: a crash in the middle of a
# batch, a restart, a dump and restore.  Rows and cursor are kept together, and
# parked streams stay parked.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'cqrs'\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', q{
	CREATE EXTENSION cqrs;
	CREATE SCHEMA bank;
	CREATE ROLE owner;
	CREATE ROLE reader;
	SELECT cqrs_grant('owner', 'define');
	GRANT USAGE, CREATE ON SCHEMA bank TO owner;
	GRANT USAGE ON SCHEMA bank TO reader;
	SET ROLE owner;
	SELECT cqrs_create_projection('account', 'bank', $$
		CREATE TABLE account (stream text PRIMARY KEY, sum int NOT NULL, events int NOT NULL) $$);
	SELECT cqrs_on('account', '*', $$
		INSERT INTO account VALUES (event.stream, (event.data->>'by')::int, 1)
		ON CONFLICT (stream) DO UPDATE SET sum = account.sum + excluded.sum, events = account.events + 1 $$);
	SELECT cqrs_start('account');
	GRANT SELECT ON bank.account TO reader;
	RESET ROLE;
	SELECT cqrs_create_projection('draft', 'bank', 'CREATE TABLE draft (a int)');
	SELECT cqrs_emit('a-' || n % 10, 'Paid', jsonb_build_object('by', n)) FROM generate_series(1, 1000) n;
	SELECT cqrs_emit('a-3', 'Paid', '{"by": "nothing"}');
	SELECT cqrs_emit('a-' || n % 10, 'Paid', jsonb_build_object('by', n)) FROM generate_series(1, 1000) n;});

# Rows that are not what the log says, without the streams that are parked
my $wrong = q{
	SELECT count(*) FROM bank.account a FULL JOIN
		(SELECT stream, sum((data->>'by')::int), count(*) FROM cqrs.event WHERE stream <> 'a-3' GROUP BY stream) e USING (stream)
	 WHERE stream <> 'a-3' AND (a.sum, a.events) IS DISTINCT FROM (e.sum, e.count)};

# Killed in a batch that is not committed
my $session = $node->background_psql('source');
$session->query_safe('SET cqrs.batch_max_events = 100');
$session->query_safe(q{SELECT cqrs_catch_up('account', 300)});
$session->query_safe('BEGIN');
is($session->query_safe(q{SELECT cqrs_catch_up('account', 500)}), '500', 'a part is applied');
$node->stop('immediate');
eval { $session->quit };
$node->start;
is($node->safe_psql('source', 'SELECT sum(events) FROM bank.account'), '300', 'what was committed is there');
$node->safe_psql('source', q{SELECT cqrs_catch_up('account', 900)});
$node->restart;
$node->safe_psql('source', q{SELECT cqrs_catch_up('account')});
is($node->safe_psql('source', $wrong), '0', 'each event has been applied once');
is($node->safe_psql('source', q{SELECT events_parked, events_behind FROM cqrs.projection_status WHERE projection = 'account'}),
	'101|0', 'the bad event is parked, and what waits behind it');

# To another home, with a backlog
$node->safe_psql('source', q{
	SELECT cqrs_emit('a-' || n % 10, 'Paid', jsonb_build_object('by', n)) FROM generate_series(1, 100) n});
my $dump = $node->backup_dir . '.dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('source') ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE target');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('target'), $dump ], 'restore');
$node->safe_psql('target', q{
	SELECT cqrs_emit('a-' || n % 10, 'Paid', jsonb_build_object('by', n)) FROM generate_series(1, 100) n});
is($node->safe_psql('target', q{SELECT cqrs_catch_up('account')}), '180', 'the backlog and more is applied');
is($node->safe_psql('target', $wrong), '0', 'each event has been applied once, there, too');
is($node->safe_psql('target', q{SELECT events_parked FROM cqrs.projection_status WHERE projection = 'account'}),
	'121', 'a parked stream stays parked');
is($node->safe_psql('target', q{SET ROLE reader; SELECT count(*) FROM bank.account}), '10', 'rights on the view are kept');
is($node->safe_psql('target', q{SELECT state FROM cqrs.projection_status WHERE projection = 'draft'}), 'draft', 'a draft is one');
$node->safe_psql('target', q{SELECT cqrs_start('draft'), cqrs_drop_projection('account'), cqrs_drop_projection('draft')});
is($node->safe_psql('target', q{SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%$%'}), '0', 'and all can be dropped');

$node->stop;
done_testing();
