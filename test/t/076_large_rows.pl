# Small events that make large rows do not have them all in memory together.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "cqrs.batch_max_bytes = 1MB\ncqrs.max_workers = 0\n");
$node->start;
create_database($node, 'd');
$node->safe_psql('d', q{
	SELECT cqrs_create_projection('docs', 'shop', 'CREATE TABLE docs (id text PRIMARY KEY, n int, changes int DEFAULT 0, body text)');
	SELECT cqrs_on('docs', 'Made', $$INSERT INTO docs (id, n, body) VALUES (event.stream_id, event.version, repeat(event.data->>'x', 1048576))$$);
	SELECT cqrs_on('docs', 'Changed', $$
		UPDATE docs SET body = body || (event.data->>'x'), changes = changes + 1 WHERE id = event.stream_id;
		DELETE FROM docs WHERE id = event.stream_id AND n = 99;
		INSERT INTO docs (id, body) VALUES (NULLIF(event.data->>'x', '4'), 'new') ON CONFLICT (id) DO UPDATE SET changes = docs.changes + 1$$);
	SELECT cqrs_start('docs')});

# What a session takes at most that applies what there is, in megabytes.
sub peak
{
	my ($kb) = $node->safe_psql('d', q{
		SELECT cqrs_catch_up();
		SELECT (regexp_match(s, 'VmHWM:\s+(\d+)'))[1]::int - (regexp_match(s, 'RssShmem:\s+(\d+)'))[1]::int FROM pg_read_file('/proc/self/status') s}) =~ /(\d+)$/;
	note("the session took $kb kB");
	return $kb / 1024;
}

$node->safe_psql('d', q{SELECT cqrs_emit('doc-' || i, 'Made', '{"x": "a"}') FROM generate_series(1, 150) i});
cmp_ok(peak(), '<', 80, '150 rows of a megabyte are not in memory together');
is($node->safe_psql('d', q{SELECT count(*), min(length(body)), max(length(body)) FROM shop.docs}), '150|1048576|1048576', '... and are there');

$node->safe_psql('d', q{SELECT cqrs_emit('doc-' || i, 'Changed', jsonb_build_object('x', j::text)) FROM generate_series(1, 3) j, generate_series(1, 150) i});
cmp_ok(peak(), '<', 80, '... nor when each is changed several times');
is($node->safe_psql('d', q{SELECT count(*), min(right(body, 5)), max(right(body, 5)), min(changes), max(changes) FROM shop.docs WHERE body <> 'new' AND changes = 3}),
	'147|aa123|aa123|3|3', '... in the order of the events');
is($node->safe_psql('d', q{SELECT count(*) FROM cqrs.parked_event}), '0', 'nothing is parked');
is($node->safe_psql('d', q{SELECT count(*) FROM cqrs_check('docs')}), '0', 'the rows are what the events make');
$node->stop;
done_testing();
