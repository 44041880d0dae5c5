# Many sessions append, catch up, retry, roll back, pause and resume at random.
# Afterwards the read tables are what the log says: each event once, each stream
# in order, nothing overtakes a parked event, inline tables are never behind.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{CQRS_HISTORY_SECONDS} || 5;
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cqrs'\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION cqrs;
	CREATE SCHEMA s;
	SELECT cqrs_create_projection('a', 's', 'CREATE TABLE a (stream text PRIMARY KEY, n int, seen text)');
	SELECT cqrs_on('a', 'E', $$INSERT INTO a VALUES (event.stream, 1, event.version::text)
		ON CONFLICT (stream) DO UPDATE SET n = a.n + 1, seen = a.seen || ',' || excluded.seen$$);
	SELECT cqrs_on('a', 'Bad', 'UPDATE a SET n = n / 0');
	SELECT cqrs_start('a');
	SELECT cqrs_create_projection('i', 's', 'CREATE TABLE i (stream text PRIMARY KEY, n int)', mode => 'inline');
	SELECT cqrs_on('i', 'E', 'INSERT INTO i VALUES (event.stream, 1) ON CONFLICT (stream) DO UPDATE SET n = i.n + 1');
	SELECT cqrs_start('i');});

my @runs;
my $n = 0;

sub run_script
{
	my ($clients, $script) = @_;
	my $file = $node->basedir . '/script' . $n++;
	my $output = '';

	append_to_file($file, $script);
	push @runs, [ IPC::Run::start(
			[ 'pgbench', '-n', '-c', $clients, '-T', $seconds, '-f', $file, $node->connstr('postgres') ],
			'>', \$output, '2>&1'), \$output ];
	return;
}

run_script(4, q{
\set s random(1, 200)
\set r random(1, 10)
\set b random(1, 300)
BEGIN;
SELECT cqrs_emit('s-' || :s, CASE WHEN :b = 1 THEN 'Bad' ELSE 'E' END);
SAVEPOINT x;
SELECT cqrs_emit('s-' || :s, 'E');
\if :r > 8
ROLLBACK TO x;
\endif
SELECT cqrs_emit('s-' || :s, 'E');
COMMIT;
});
run_script(2, q{
\set r random(1, 20)
SELECT cqrs_catch_up();
\if :r = 1
SELECT cqrs_retry_parked('a');
\endif
\if :r = 2
BEGIN;
SELECT cqrs_catch_up();
ROLLBACK;
\endif
});
run_script(1, q{
SELECT cqrs_pause('i'), cqrs_pause('a');
\sleep 10 ms
SELECT cqrs_resume('i'), cqrs_resume('a');
\sleep 200 ms
});

for my $run (@runs)
{
	$run->[0]->finish;
	unlike(${ $run->[1] }, qr/ERROR|aborted/, 'no session failed');
}
$node->safe_psql('postgres', 'SELECT cqrs_resume(name) FROM cqrs.projection; SELECT cqrs_catch_up()');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM cqrs.event'), '>', 100, 'something has happened');
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM s.a FULL JOIN
			(SELECT e.stream, count(*) AS n, string_agg(e.version::text, ',' ORDER BY e.version) AS seen
			   FROM cqrs.event e LEFT JOIN cqrs.parked_event p USING (position) WHERE p.position IS NULL GROUP BY 1) e USING (stream)
		 WHERE (a.n, a.seen) IS DISTINCT FROM (e.n::int, e.seen)}),
	'0', 'each event that is not parked was applied once, in order');
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM (SELECT stream, min(position) FILTER (WHERE sqlstate IS NOT NULL) AS failed, min(position) AS first
			FROM cqrs.parked_event GROUP BY stream) p WHERE failed IS DISTINCT FROM first}),
	'0', 'each parked stream waits behind an event that failed');
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM cqrs.event e JOIN (SELECT stream, min(position) AS first FROM cqrs.parked_event GROUP BY stream) p USING (stream)
		 WHERE e.position > p.first AND NOT EXISTS (SELECT FROM cqrs.parked_event q WHERE q.position = e.position)}),
	'0', 'nothing has overtaken it');
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM s.i FULL JOIN (SELECT stream, count(*) AS n FROM cqrs.event WHERE type = 'E' GROUP BY 1) e USING (stream)
		 WHERE i.n IS DISTINCT FROM e.n}),
	'0', 'the inline table is what the log says');

$node->stop;
done_testing();
