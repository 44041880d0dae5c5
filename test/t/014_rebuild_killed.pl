# A process dies in the middle of a rebuild, wherever that is: the build goes on from
# its last step, and in the end it is in place and holds what its events make.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "shared_preload_libraries = 'cqrs, cqrs_test'\nrestart_after_crash = on\ncqrs.retry_min = 10ms\ncqrs.batch_max_events = 50\n");
$node->start;
create_database($node, 'd');
$node->safe_psql('d', q{CREATE EXTENSION cqrs_test;
	SELECT cqrs_create_projection('p', 'shop', 'CREATE TABLE p_counts (stream text PRIMARY KEY, n bigint, last bigint); CREATE INDEX ON p_counts (n)');
	SELECT cqrs_on('p', 'T', $$INSERT INTO p_counts VALUES (event.stream, 1, event.version)
		ON CONFLICT (stream) DO UPDATE SET n = p_counts.n + 1, last = event.version$$);
	SELECT cqrs_start('p');
	SELECT cqrs_append('s' || i % 50, array_fill('T'::text, '{10}'), array_fill('{}'::jsonb, '{10}')) FROM generate_series(1, 200) i});
caught_up_ok($node, 'd', 'p', 'a worker serves it');

my $in_place = q{SELECT next_build IS NULL FROM cqrs.projection_status};
my $leftovers = q{SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'p$%'};

foreach my $point (qw(batch-saved worker-committed build-indexed build-completed build-swapped build-dropped))
{
	foreach my $victim (qw(itself postmaster))
	{
		stop_at($node, $point);
		$node->safe_psql('d', q{SELECT cqrs_rebuild('p')});
		my $pid = stopped_at($node, $point);
		is($node->safe_psql('d', q{SELECT sum(n) = (SELECT count(*) FROM cqrs.event) FROM shop.p_counts}), 't', '... readers see all of it')
		  if $point ne 'build-swapped';
		strike($node, $victim, $pid);
		eventually($node, 'd', $in_place, 't', "killed at $point ($victim): the build is in place in the end");
		emit($node, 'd', "after $point $victim");
		caught_up_ok($node, 'd', 'p', '... and follows');
		is($node->safe_psql('d', q{SELECT count(*) FROM cqrs_check('p')}), '0', '... and holds what its events make');
		eventually($node, 'd', $leftovers, '1', '... and the old one goes');
	}
}
$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal (?!9)/, 'no crash but ours');
done_testing();
