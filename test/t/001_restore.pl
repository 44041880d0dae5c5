# A backlog that was half delivered is carried to another home, by dump and restore
# and by copying the database: the reader there delivers the rest, once.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old = PostgreSQL::Test::Cluster->new('old');
$old->init(allows_streaming => 1);
$old->append_conf('postgresql.conf', "shared_preload_libraries = 'cqrs'\nmax_prepared_transactions = 10\n");
$old->start;

# An older cluster: its transaction ids mean the future to a young one.
$old->safe_psql('postgres', q{
	CREATE DATABASE source;
	DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$;});
$old->safe_psql('source', q{
	CREATE EXTENSION cqrs;
	CREATE EXTENSION cqrs_test;
	CREATE TABLE got (position bigint);
	SELECT cqrs_test.create_cursor('r');
	SELECT cqrs_test.create_cursor('untouched');
	SELECT cqrs_emit('order-' || n % 10, 'T', to_jsonb(n)) FROM generate_series(1, 100) n;
	INSERT INTO got SELECT position FROM cqrs_test.read('r', 40);});

# Events that were running when the cursor's target was taken, and more behind
my $late = $old->background_psql('source');
$late->query_safe(q{BEGIN; SELECT cqrs_emit('late-1', 'T');});
$old->safe_psql('source', q{
	SELECT cqrs_emit('order-' || n % 10, 'T', to_jsonb(n)) FROM generate_series(101, 200) n;
	INSERT INTO got SELECT position FROM cqrs_test.read('r', 110);});
$late->query_safe(q{COMMIT});
$late->quit;
$old->safe_psql('source', q{
	BEGIN; SELECT cqrs_emit('never-1', 'T'); ROLLBACK;
	SELECT cqrs_emit('order-' || n % 10, 'T', to_jsonb(n)) FROM generate_series(201, 220) n;
	BEGIN;
	SELECT cqrs_emit('own-1', 'T');
	INSERT INTO got SELECT position FROM cqrs_test.read('r', 3, with_own => true);
	COMMIT;});

# What has been got, with what there is in the log: each once?
my $exactly_once = q{
	SELECT count(*) || ' events, ' || count(*) FILTER (WHERE times <> 1) || ' wrong'
	  FROM (SELECT count(g.position) AS times FROM cqrs.event e FULL JOIN got g USING (position)
			 GROUP BY position) p};

sub check_rest
{
	my ($node, $db, $what) = @_;

	# some of the rest before the first append in the new home, some after it
	$node->safe_psql($db, q{INSERT INTO got SELECT position FROM cqrs_test.read('r', 20)});
	is($node->safe_psql($db, q{SELECT cqrs_emit('order-1', 'T')}),
		$node->safe_psql($db, q{SELECT cqrs_stream_version('order-1')}), "$what: streams go on");
	$node->safe_psql($db, q{
		INSERT INTO got SELECT position FROM cqrs_test.read('r', 20);
		SELECT cqrs_emit('new-' || n, 'T') FROM generate_series(1, 50) n;
		INSERT INTO got SELECT position FROM cqrs_test.read('r', 30);
		INSERT INTO got SELECT position FROM cqrs_test.read('r');
		SELECT cqrs_emit('newer-' || n, 'T') FROM generate_series(1, 50) n;
		INSERT INTO got SELECT position FROM cqrs_test.read('r');});
	is($node->safe_psql($db, $exactly_once), '323 events, 0 wrong', "$what: each event once");
	is($node->safe_psql($db, q{SELECT cqrs_test.count('untouched'), cqrs_test.count('untouched')}),
		'323|0', "$what: a cursor at the beginning sees all");
	is($node->safe_psql($db, q{SELECT count(*), count(DISTINCT (system_identifier, database)) FROM cqrs.incarnation}),
		'2|2', "$what: a new incarnation");
	is($node->safe_psql($db, q{SELECT bool_and(e.position > p.position) FROM cqrs.event e
			JOIN cqrs.event p ON p.stream = e.stream AND p.version = e.version - 1}),
		't', "$what: positions go on rising");
}

# a reader that is at work while nothing has been appended yet: everything, and nothing twice
sub check_without_append
{
	my ($node, $db, $what) = @_;
	$node->safe_psql($db, q{INSERT INTO got SELECT position FROM cqrs_test.read('r')});
	is($node->safe_psql($db, q{SELECT cqrs_test.count('r')}), '0', "$what: nothing twice");
	is($node->safe_psql($db, $exactly_once), '222 events, 0 wrong', "$what: the rest, before any append");
	$node->safe_psql($db, q{SELECT cqrs_append('x', '{A,B}', '{1,2}');
		INSERT INTO got SELECT position FROM cqrs_test.read('r');});
	is($node->safe_psql($db, $exactly_once), '224 events, 0 wrong', "$what: then new ones");
}

# in plain SQL, into a young cluster
my $young = PostgreSQL::Test::Cluster->new('young');
$young->init;
$young->append_conf('postgresql.conf', "shared_preload_libraries = 'cqrs'\n");
$young->start;
my $dump = $old->backup_dir . '.sql';
my $archive = $old->backup_dir . '.dump';
$old->command_ok(['pg_dump', '-f', $dump, $old->connstr('source')], 'dump as SQL');
$young->safe_psql('postgres', 'CREATE DATABASE plain');
$young->safe_psql('postgres', 'CREATE DATABASE plain2');
for my $db ('plain', 'plain2')
{
	$young->command_ok(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $young->connstr($db)], "restore of $db");
}
check_rest($young, 'plain', 'plain dump');
check_without_append($young, 'plain2', 'plain dump');

# The ids of old transactions come up again in a younger cluster: they are others.
$old->safe_psql('postgres', 'CREATE DATABASE numbers');
$old->safe_psql('numbers', q{
	CREATE EXTENSION cqrs;
	CREATE EXTENSION cqrs_test;
	SELECT cqrs_test.create_cursor('r'), cqrs_test.create_cursor('own');
	DO $$ BEGIN FOR n IN 1..40 LOOP PERFORM cqrs_emit('order-' || n % 5, 'T'); COMMIT; END LOOP; END $$;
	CREATE TABLE got AS SELECT position FROM cqrs_test.read('r');
	CREATE TABLE got_own AS SELECT position FROM cqrs_test.read('own');
	SELECT cqrs_create_projection('counts', 'public', 'CREATE TABLE counts (stream text PRIMARY KEY, n int)', mode => 'inline');
	SELECT cqrs_on('counts', 'T', 'INSERT INTO counts VALUES (event.stream, 1) ON CONFLICT (stream) DO UPDATE SET n = counts.n + 1');
	SELECT cqrs_start('counts');});
$old->command_ok(['pg_dump', '-f', $dump, $old->connstr('numbers')], 'dump of old numbers');
$young->safe_psql('postgres', 'CREATE DATABASE numbers');
$young->command_ok(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $young->connstr('numbers')], 'restore of old numbers');
my ($first, $last) = split(/\|/, $young->safe_psql('numbers', 'SELECT min(xid), max(xid) FROM cqrs.event'));
$young->safe_psql('postgres', qq{DO \$\$ BEGIN WHILE pg_current_xact_id()::text::bigint < $first - 1 LOOP COMMIT; END LOOP; END \$\$});
my $open = $young->background_psql('numbers');
my ($xid, $hits) = (0, 0);
while ($xid < $last)
{
	$xid = $open->query_safe('BEGIN; SELECT pg_current_xact_id()');
	$hits++ if $xid >= $first && $xid <= $last;
	is($young->safe_psql('numbers', q{SELECT cqrs.open_appender() IS NULL}), 't', 'who has an old number has not appended') if $hits == 1;
	if ($hits == 2)
	{
		my $appender = $open->query_safe(q{SELECT pg_backend_pid() FROM cqrs_emit('old-1', 'T')});
		is($young->safe_psql('numbers', q{SELECT cqrs.open_appender()}), $appender, '... unless it has');
	}
	$young->safe_psql('numbers', q{
		SELECT cqrs_emit('new-1', 'T');
		INSERT INTO got SELECT position FROM cqrs_test.read('r');});
	$open->query_safe('COMMIT');
	$young->safe_psql('numbers', q{
		INSERT INTO got SELECT position FROM cqrs_test.read('r');
		BEGIN;
		SELECT cqrs_emit('new-2', 'T');
		INSERT INTO got_own SELECT position FROM cqrs_test.read('own', with_own => true);
		COMMIT;});
}
$open->quit;
cmp_ok($hits, '>', 3, 'transactions of today have had the numbers of old ones');
$young->safe_psql('numbers', q{INSERT INTO got SELECT position FROM cqrs_test.read('r');
	INSERT INTO got_own SELECT position FROM cqrs_test.read('own')});
like($young->safe_psql('numbers', $exactly_once), qr/ events, 0 wrong$/, 'old numbers: each event once');
like($young->safe_psql('numbers', $exactly_once =~ s/JOIN got /JOIN got_own /r), qr/ events, 0 wrong$/, '... with own ones, too');
is($young->safe_psql('numbers', q{SELECT count(*) FROM counts c FULL JOIN
		(SELECT stream, count(*) AS n FROM cqrs.event GROUP BY stream) e USING (stream) WHERE c.n IS DISTINCT FROM e.n}),
	'0', '... and inline');

# from an archive, in parallel
$old->command_ok(['pg_dump', '-Fc', '-f', $archive, $old->connstr('source')], 'dump as archive');
$young->safe_psql('postgres', 'CREATE DATABASE parallel');
$young->command_ok(['pg_restore', '-j4', '--exit-on-error', '-d', $young->connstr('parallel'), $archive], 'parallel restore');
check_rest($young, 'parallel', 'parallel restore');

# into the same cluster, and as a copy of the database
$old->safe_psql('postgres', 'CREATE DATABASE same');
$old->command_ok(['pg_restore', '--exit-on-error', '-d', $old->connstr('same'), $archive], 'restore into the same cluster');
check_rest($old, 'same', 'same cluster');
$old->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE source');
check_rest($old, 'copy', 'copied database');

# a second move: three incarnations
$old->command_ok(['pg_dump', '-f', $dump, $young->connstr('plain')], 'dump of the restored database');
$old->safe_psql('postgres', 'CREATE DATABASE back');
$old->command_ok(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $old->connstr('back')], 'restore back');
$old->safe_psql('back', q{SELECT cqrs_test.create_cursor('r3'); CREATE TABLE got3 AS SELECT position FROM cqrs_test.read('r3', 250);
	SELECT cqrs_emit('third-1', 'T'); INSERT INTO got3 SELECT position FROM cqrs_test.read('r3');
	INSERT INTO got SELECT position FROM cqrs_test.read('r');});
is($old->safe_psql('back', q{SELECT max(id) FROM cqrs.incarnation}), '3', 'three incarnations');
is($old->safe_psql('back', $exactly_once), '324 events, 0 wrong', 'after two moves: each event once');
is($old->safe_psql('back', q{SELECT count(*), count(DISTINCT position) FROM got3}), '324|324', 'from the beginning, too');

# into an older copy of the same server, whose rows name it and whose transaction ids are behind
$old->safe_psql('postgres', 'CREATE DATABASE refreshed');
$old->safe_psql('refreshed', q{CREATE EXTENSION cqrs; SELECT cqrs_emit('first-1', 'T')});
$old->backup('early');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($old, 'early');
$copy->start;
$old->safe_psql('postgres', q{DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$});
$old->safe_psql('refreshed', q{
	CREATE EXTENSION cqrs_test;
	SELECT cqrs_test.create_cursor('r');
	CREATE TABLE got AS SELECT position FROM cqrs_test.read('r');
	SELECT cqrs_emit('order-' || n % 10, 'T', to_jsonb(n)) FROM generate_series(1, 50) n;
	INSERT INTO got SELECT position FROM cqrs_test.read('r', 20);
	SELECT cqrs_emit('order-' || n % 10, 'T', to_jsonb(n)) FROM generate_series(51, 100) n;});
$old->command_ok(['pg_dump', '--clean', '--if-exists', '-f', $dump, $old->connstr('refreshed')], 'dump for the copy');
$copy->safe_psql('refreshed', 'DROP EXTENSION cqrs');
$copy->command_ok(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $copy->connstr('refreshed')], 'restore into the copy');
$copy->safe_psql('refreshed', q{
	INSERT INTO got SELECT position FROM cqrs_test.read('r', 40);
	SELECT cqrs_emit('new-1', 'T');
	INSERT INTO got SELECT position FROM cqrs_test.read('r', 10);});
$copy->safe_psql('refreshed', q{
	SELECT cqrs_emit('new-2', 'T');
	INSERT INTO got SELECT position FROM cqrs_test.read('r');});
is($copy->safe_psql('refreshed', $exactly_once), '103 events, 0 wrong', 'an older copy: each event once');
is($copy->safe_psql('refreshed', q{SELECT count(*), count(DISTINCT (system_identifier, database)) FROM cqrs.incarnation}),
	'2|1', 'an older copy: a new incarnation, though of the same name');
$copy->stop;

# only the schema: an empty log that can be written
$old->command_ok(['pg_dump', '--schema-only', '-f', $dump, $old->connstr('source')], 'dump of the schema');
$young->safe_psql('postgres', 'CREATE DATABASE schema_only');
$young->command_ok(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $young->connstr('schema_only')], 'restore of the schema');
is($young->safe_psql('schema_only', q{SELECT cqrs_emit('a', 'T'); SELECT cqrs_test.create_cursor('c'); SELECT cqrs_test.count('c')}),
	"1\n\n1", 'an empty log works');

done_testing();
