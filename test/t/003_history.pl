# Writers with random holds, rollbacks, savepoints, prepared transactions and all
# isolation levels; readers at work meanwhile.  What a reader got is compared with
# what was committed.  A reader that remembers the last position is kept as a
# negative control: the checker must catch it.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use IPC::Run qw(start finish);

my $seconds = $ENV{CQRS_HISTORY_SECONDS} || 5;
my $seed = $ENV{CQRS_SEED} || int(rand(1_000_000));
note("CQRS_SEED=$seed");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'cqrs'\nmax_prepared_transactions = 50\nmax_connections = 120\nsynchronous_commit = off\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION cqrs;
	CREATE EXTENSION cqrs_test;
	CREATE TABLE got (reader text, n bigserial, position bigint, stream text, version bigint);
	CREATE TABLE naive (last bigint); INSERT INTO naive VALUES (0);
	CREATE TABLE business (n int);
	SELECT cqrs_test.create_cursor('one'), cqrs_test.create_cursor('many')});

my $dir = $node->basedir;
my %scripts = (
	# holds between a write, the stream lock, the position, and the end
	writer => q{
\set hold random(0, 20)
\set fate random(1, 10)
\set level random(1, 3)
\if :level = 1
BEGIN ISOLATION LEVEL REPEATABLE READ;
\elif :level = 2
BEGIN ISOLATION LEVEL SERIALIZABLE;
\else
BEGIN;
\endif
INSERT INTO business VALUES (:hold);
\sleep :hold ms
SELECT cqrs_emit('s-' || (random() * 20)::int, 'T', to_jsonb(:client_id));
SAVEPOINT s;
SELECT cqrs_append('t-' || :client_id, '{A,B,C}', '{1,2,3}');
\sleep :hold ms
\if :fate = 1
ROLLBACK TO s;
\elif :fate = 2
RELEASE s;
\endif
\if :fate = 3
ROLLBACK;
\else
COMMIT;
\endif
},
	preparer => q{
\set hold random(0, 200)
\set id random(1, 1000000000)
BEGIN;
SELECT cqrs_emit('p-' || :client_id, 'T');
PREPARE TRANSACTION 'p:id';
\sleep :hold ms
COMMIT PREPARED 'p:id';
},
	quick => q{SELECT cqrs_emit('q-' || (random() * 1000)::int, 'T');
},
	hot => q{SELECT cqrs_emit('hot', 'T');
},
	# one reader takes one event at a time, another all there is; and the naive one
	reader => q{
INSERT INTO got (reader, position, stream, version) SELECT 'one', position, stream, version FROM cqrs_test.read('one', 1);
INSERT INTO got (reader, position, stream, version) SELECT 'many', position, stream, version FROM cqrs_test.read('many');
WITH new AS (SELECT e.* FROM cqrs.event e, naive WHERE e.position > naive.last),
	moved AS (UPDATE naive SET last = (SELECT max(position) FROM new) WHERE EXISTS (SELECT FROM new))
INSERT INTO got (reader, position, stream, version) SELECT 'naive', position, stream, version FROM new;
});

sub pgbench
{
	my ($name, $clients) = @_;
	my $file = "$dir/$name.sql";
	append_to_file($file, $scripts{$name});
	my ($out, $err) = ('', '');
	# failed transactions are retried, as an application does
	my $handle = start ['pgbench', '-n', '-c', $clients, '-j', 1, '-T', $seconds, '--random-seed', $seed,
		'--max-tries', 100, '-f', $file, '-h', $node->host, '-p', $node->port, 'postgres'], '>', \$out, '2>', \$err;
	return [$name, $handle, \$out, \$err];
}

my @runs = (pgbench('writer', 16), pgbench('preparer', 4), pgbench('quick', 4), pgbench('hot', 50), pgbench('reader', 1));
for my $run (@runs)
{
	my ($name, $handle, $out, $err) = @$run;
	ok(finish($handle), "$name ran") or diag($$err);
}

my $settled = $node->safe_psql('postgres', q{SELECT count(*) FROM pg_prepared_xacts});
is($settled, '0', 'no prepared transaction is left');
$node->safe_psql('postgres', $scripts{reader} =~ s/cqrs_test.read\('one', 1\)/cqrs_test.read('one')/r);

my $wrong = sub {
	my ($reader) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT count(*) FROM (SELECT FROM cqrs.event e FULL JOIN (SELECT * FROM got WHERE reader = '$reader') g USING (position)
			GROUP BY position HAVING count(g.position) <> 1 OR count(e.position) <> 1) x});
};
my $disordered = sub {
	my ($reader) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT count(*) FROM (SELECT version, lag(version) OVER (PARTITION BY stream ORDER BY n) AS before
			FROM got WHERE reader = '$reader') x WHERE version <> coalesce(before, 0) + 1});
};
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM cqrs.event'), '>', 500, 'there is a history');
for my $reader ('one', 'many')
{
	is($wrong->($reader), '0', "reader $reader: each committed event once, and no other");
	is($disordered->($reader), '0', "reader $reader: streams in order, without holes");
}
cmp_ok($wrong->('naive'), '>', 0, 'the naive reader is caught');
is($node->safe_psql('postgres', q{SELECT count(*) FROM
		(SELECT stream, max(version) AS version FROM cqrs.event GROUP BY stream) e
		FULL JOIN cqrs.stream s USING (stream) WHERE e.version IS DISTINCT FROM s.version}),
	'0', 'stream rows agree with the log');

done_testing();
