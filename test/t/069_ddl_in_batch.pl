# A read table is renamed while a batch is under way: no event is blamed.  The
# projection stops, and all is applied when the table is back.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "cqrs.retry_min = 100ms\n");
$node->start;
create_database($node, 'd');

# An event of type W waits until it is let go, in the middle of a batch
$node->safe_psql('d', q{
	CREATE FUNCTION shop.wait(event cqrs.event) RETURNS void LANGUAGE plpgsql AS
		'BEGIN PERFORM pg_advisory_xact_lock(42); END';
	CREATE FUNCTION shop.apply(event cqrs.event) RETURNS void LANGUAGE plpgsql AS
		'BEGIN INSERT INTO t VALUES (event.position); END'});
my %rules = (
	batch => q{SELECT cqrs_on_batch('batch', '{T}', 'INSERT INTO t SELECT position FROM events')},
	statement => q{SELECT cqrs_on('statement', 'T', 'INSERT INTO t SELECT event.position')},
	fold => q{SELECT cqrs_on('fold', 'T', 'INSERT INTO t VALUES (event.position)')},
	func => q{SELECT cqrs_on('func', 'T', 'shop.apply(cqrs.event)'::regprocedure)});

foreach my $kind (sort keys %rules)
{
	$node->safe_psql('d', qq{
		CREATE SCHEMA $kind;
		SELECT cqrs_create_projection('$kind', '$kind', 'CREATE TABLE t (position bigint PRIMARY KEY)');
		$rules{$kind};
		SELECT cqrs_on('$kind', 'W', 'shop.wait(cqrs.event)'::regprocedure);
		SELECT cqrs_start('$kind')});
	my $missing = qq{SELECT count(*) FROM (SELECT position FROM cqrs.event WHERE type = 'T') e FULL JOIN $kind.t USING (position) WHERE t.position IS NULL OR e.position IS NULL};
	eventually($node, 'd', $missing, '0', "$kind: all is applied");
	$node->safe_psql('d', q{SELECT cqrs_emit('a', 'T'); SELECT cqrs_wait()});

	my $lock = $node->background_psql('d');
	$lock->query_safe('SELECT pg_advisory_lock(42)');
	$node->safe_psql('d', q{BEGIN; SELECT cqrs_emit('a', 'W'); SELECT cqrs_append('b', '{T,T,T}', '{1,2,3}'); SELECT cqrs_emit('c', 'T'); COMMIT});
	eventually($node, 'd', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND wait_event = 'advisory'}, 't', '... a batch is under way');
	# what is done already keeps the table: a fold has it, to look its rows up
	my ($status) = $node->psql('d', qq{SET lock_timeout = '1s'; ALTER TABLE "$kind\$1".t RENAME TO t_away});
	$lock->query_safe('SELECT pg_advisory_unlock(42)');
	$lock->quit;
	if ($status == 0)
	{
		eventually($node, 'd', qq{SELECT state = 'stopped' OR ($missing) = 0 FROM cqrs.projection_status WHERE projection = '$kind'}, 't', '... it stops, or has no need to');
		is($node->safe_psql('d', q{SELECT count(*) FROM cqrs.parked_event}), '0', '... no event is blamed');
		$node->safe_psql('d', qq{ALTER TABLE "$kind\$1".t_away RENAME TO t; SELECT cqrs_resume('$kind')});
	}
	eventually($node, 'd', $missing, '0', '... and all is applied when the table is back');
	is($node->safe_psql('d', q{SELECT count(*) FROM cqrs.parked_event}), '0', '... with nothing parked');
}
$node->stop;
done_testing();
