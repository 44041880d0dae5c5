# Transactions that stay open, here and elsewhere, hold up nobody else's events;
# prepared ones are delivered when they commit, also across a restart.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cqrs'\nmax_prepared_transactions = 10\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE TABLE t (n int)');
$node->safe_psql('postgres', q{
	CREATE EXTENSION cqrs;
	CREATE EXTENSION cqrs_test;
	SELECT cqrs_test.create_cursor('r');
	CREATE TABLE t (n int)});

sub emit_and_read
{
	my ($stream) = @_;
	$node->safe_psql('postgres', "SELECT cqrs_emit('$stream', 'T')");
	return $node->safe_psql('postgres', q{SELECT stream FROM cqrs_test.read('r')});
}

# Transactions with an id that stay idle, here and in another database
my $here = $node->background_psql('postgres');
$here->query_safe('BEGIN; INSERT INTO t VALUES (1);');
is(emit_and_read('a'), 'a', 'a writing transaction here holds nobody up');
my $there = $node->background_psql('other');
$there->query_safe('BEGIN; INSERT INTO t VALUES (1);');
is(emit_and_read('b'), 'b', 'a writing transaction in another database holds nobody up');
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t;');
is(emit_and_read('c'), 'c', 'an old snapshot holds nobody up');
$node->safe_psql('other', q{BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'there';});
is(emit_and_read('d'), 'd', 'a prepared transaction in another database holds nobody up');

# ... and when they end there is nothing new
$here->query_safe(q{SELECT cqrs_emit('here', 'T'); COMMIT;});
$there->query_safe('ROLLBACK');
$reader->query_safe('COMMIT');
$_->quit for ($here, $there, $reader);
$node->safe_psql('other', q{COMMIT PREPARED 'there'});
is($node->safe_psql('postgres', q{SELECT stream FROM cqrs_test.read('r')}), 'here', 'a late event');

# Prepared transactions across a crash and an orderly restart
$node->safe_psql('postgres', q{BEGIN; SELECT cqrs_emit('prepared', 'T'); PREPARE TRANSACTION 'p';});
is(emit_and_read('e'), 'e', 'a prepared transaction with events holds nobody up');
$node->stop('immediate');
$node->start;
is(emit_and_read('f'), 'f', '... after a crash');
$node->restart;
is(emit_and_read('g'), 'g', '... after a restart');
$node->safe_psql('postgres', q{COMMIT PREPARED 'p'});
is($node->safe_psql('postgres', q{SELECT stream FROM cqrs_test.read('r')}), 'prepared', 'its events come when it commits');
is($node->safe_psql('postgres', q{SELECT cqrs_test.count('r')}), '0', '... once');

# A crash with asynchronous commits: the log and the cursor agree, whatever was lost
$node->safe_psql('postgres', q{
	CREATE TABLE got (position bigint);
	INSERT INTO got SELECT position FROM cqrs.event;});
$node->append_conf('postgresql.conf', "synchronous_commit = off\nwal_writer_delay = 10s\n");
$node->reload;
for my $round (1 .. 3)
{
	$node->safe_psql('postgres', join(';', map { "SELECT cqrs_emit('async-$_', 'T')" } 1 .. 20)
		. q{; INSERT INTO got SELECT position FROM cqrs_test.read('r', 15)});
	$node->stop('immediate');
	$node->start;
	$node->safe_psql('postgres', q{INSERT INTO got SELECT position FROM cqrs_test.read('r')});
}
$node->safe_psql('postgres', q{INSERT INTO got SELECT position FROM cqrs_test.read('r')});
is($node->safe_psql('postgres', q{
		SELECT count(*) FROM (SELECT FROM cqrs.event e FULL JOIN got g USING (position)
			GROUP BY position HAVING count(g.position) <> 1 OR count(e.position) <> 1) x}),
	'0', 'after crashes, each event there is was delivered once');

# Large events go through in one piece.
is($node->safe_psql('postgres', q{
		SELECT cqrs_emit('big', 'T', jsonb_build_object('x', repeat('0123456789', 10 * 1000 * 1000)));
		SELECT length(data ->> 'x') FROM cqrs_test.read('r')}),
	"1\n100000000", '100 MB');

done_testing();
