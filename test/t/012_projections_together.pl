# Projections that are served together read the log together: with different
# rules, different beginnings and errors each of them still gets each event once.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "cqrs.max_workers = 2\ncqrs.batch_max_events = 50\nmax_connections = 60\n");
$node->start;
create_database($node, 'd');

# All types, one of them, every event with its fields, and one that fails now and then
my @all = qw(a b c);
define_projection($node, 'd', $_) for @all;
$node->safe_psql('d', q{
	CREATE TYPE payload AS (n bigint, note text, price numeric, good boolean);
	SELECT cqrs_create_event_type('U', 'payload');
	SELECT cqrs_create_projection('fields' || i, 'shop', format('CREATE TABLE fields%s (position bigint PRIMARY KEY, n bigint, note text, price numeric, good boolean)', i)) FROM generate_series(1, 3) i;
	SELECT cqrs_on('fields' || i, 'U', format('INSERT INTO fields%s VALUES (event.position, event.n, event.note, event.price, event.good)', i)) FROM generate_series(1, 3) i;
	SELECT cqrs_start('fields' || i) FROM generate_series(1, 3) i;
	SELECT cqrs_create_projection('picky', 'shop', 'CREATE TABLE picky (position bigint PRIMARY KEY, n bigint CHECK (n % 50 <> 0))', on_error => 'skip');
	SELECT cqrs_on('picky', 'U', 'INSERT INTO picky VALUES (event.position, event.n)');
	SELECT cqrs_start('picky')});

my $script = PostgreSQL::Test::Utils::tempdir() . '/append.sql';
append_to_file($script, q{
\set n random(1, 1000)
\set s random(1, 30)
\set hold random(1, 20)
BEGIN;
SELECT cqrs_emit('s' || :s, 'T');
SELECT cqrs_emit('u' || :s, 'U', CASE :n % 7 WHEN 0 THEN jsonb_build_object('n', :n) ELSE
	jsonb_build_object('n', :n, 'note', repeat('x', :n % 40), 'price', :n / 8.0, 'good', :n % 2 = 0) END);
SELECT pg_sleep(CASE WHEN :hold = 1 THEN 0.2 ELSE 0 END);
SELECT CASE WHEN :hold = 2 THEN 1 / 0 END;
COMMIT;
});
my $catch_up = PostgreSQL::Test::Utils::tempdir() . '/catch_up.sql';
append_to_file($catch_up, "SELECT cqrs_catch_up();\nSELECT pg_sleep(0.05);\n");

sub wrong_fields
{
	return join(' + ', map { qq{(SELECT count(*) FROM shop.fields$_ f FULL JOIN
		(SELECT e.position, p.* FROM cqrs.event e, jsonb_populate_record(NULL::payload, e.data) p WHERE e.type = 'U') x
		ON x.position = f.position AND (x.n, x.note, x.price, x.good) IS NOT DISTINCT FROM (f.n, f.note, f.price, f.good)
		WHERE x.position IS NULL OR f.position IS NULL)} } 1 .. 3);
}

foreach my $round (1 .. 2)
{
	my @running;
	foreach my $options ([ '-c', '8', '-T', '6', '-f', $script ], [ '-c', '1', '-T', '6', '-f', $catch_up ])
	{
		my ($in, $out, $err) = ('', '', '');
		push @running, IPC::Run::start([ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '--max-tries=1', @$options, 'd' ], \$in, \$out, \$err);
	}
	# one begins from the start while the others are at the end
	$node->safe_psql('d', q{SELECT cqrs_pause('b'); SELECT pg_sleep(1); SELECT cqrs_resume('b'); SELECT pg_sleep(1)});
	define_projection($node, 'd', "late$round");
	$_->finish for @running;
	eventually($node, 'd', Workers::difference($_), '0', "round $round: $_ holds what the log says") for @all, map { "late$_" } 1 .. $round;
	eventually($node, 'd', 'SELECT ' . wrong_fields(), '0', "round $round: fields are those of their events, in all projections");
	eventually($node, 'd', q{SELECT count(*) FROM (SELECT position FROM shop.picky) p
		FULL JOIN (SELECT position FROM cqrs.event WHERE type = 'U' AND (data ->> 'n')::bigint % 50 <> 0) e USING (position) WHERE p IS NULL OR e IS NULL},
		'0', "round $round: what fails in one projection does not fail in the others");
}
cmp_ok($node->safe_psql('d', 'SELECT count(*) FROM cqrs.event'), '>', 100, 'there were events');

# In the foreground, all at once, in a transaction that has events of its own
$node->append_conf('postgresql.conf', 'cqrs.max_workers = 0');
$node->reload;
$node->safe_psql('d', q{
	SELECT cqrs_append('s1', array_fill('T'::text, '{500}'), array_fill('{}'::jsonb, '{500}'));
	BEGIN; SELECT cqrs_emit('own', 'T'); SELECT cqrs_catch_up(); SELECT cqrs_emit('own', 'T'); SELECT cqrs_catch_up(); COMMIT;
	SELECT cqrs_append('s2', array_fill('T'::text, '{500}'), array_fill('{}'::jsonb, '{500}'));
	SELECT cqrs_catch_up(max_events => 700); SELECT cqrs_catch_up()});
is($node->safe_psql('d', Workers::difference($_)), '0', "in the foreground: $_ holds what the log says") for @all, qw(late1 late2);
is($node->safe_psql('d', q{SELECT count(*) FROM cqrs.projection WHERE state <> 'running'}), '0', 'none was stopped');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal/, 'no crash');
done_testing();
