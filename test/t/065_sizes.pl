# Events that are huge, transactions that are huge, and databases in other encodings.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "cqrs.batch_max_bytes = 1MB\n");
$node->start;
create_database($node, 'd');
define_projection($node, 'd', 'p');
$node->safe_psql('d', q{
	SELECT cqrs_create_projection('sizes', 'shop', 'CREATE TABLE sizes (position bigint PRIMARY KEY, size bigint, data jsonb)');
	SELECT cqrs_on('sizes', 'T', $$INSERT INTO sizes VALUES (event.position, length(event.data->>'x'), event.data)$$);
	SELECT cqrs_start('sizes')});

sub peak_of_workers
{
	my @pids = split /\n/, $node->safe_psql('d', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cqrs worker'});
	my $peak = 0;
	foreach my $pid (@pids)
	{
		my $status = eval { slurp_file("/proc/$pid/status") } // '';
		my ($kb) = $status =~ /^VmHWM:\s+(\d+)/m or next;
		my ($shared) = $status =~ /^RssShmem:\s+(\d+)/m or next;
		$peak = $kb - $shared if $kb - $shared > $peak;
	}
	return int($peak / 1024);
}

# Many events of one megabyte, in one transaction: batches by bytes
my $sizes = q{SELECT count(*) FROM cqrs.event e FULL JOIN shop.sizes s USING (position) WHERE e.data IS DISTINCT FROM s.data OR s.size IS DISTINCT FROM length(e.data->>'x')};
$node->safe_psql('d', q{SELECT cqrs_emit('mega-' || i % 7, 'T', jsonb_build_object('x', repeat(chr(65 + i % 26), 1048576))) FROM generate_series(1, 200) i});
eventually($node, 'd', $sizes, '0', '200 events of a megabyte are applied');
caught_up_ok($node, 'd', 'p', '... and counted');
my $peak = peak_of_workers();
note("workers took $peak MB at most");
cmp_ok($peak, '<', 120, 'a batch of them is not in memory as a whole');

# One huge event; one that is too large
$node->safe_psql('d', q{SELECT cqrs_emit('huge', 'T', jsonb_build_object('x', repeat('x', 100 * 1048576)))});
eventually($node, 'd', $sizes, '0', 'an event of 100 MB is applied');
my ($status, $out, $err) = $node->psql('d', q{SELECT cqrs_emit('huge', 'T', jsonb_build_object('x', repeat('x', 257 * 1024 * 1024)))}, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($err, qr/54000/, 'one that is too large is refused where it is appended');
is($node->safe_psql('d', q{SELECT cqrs_stream_version('huge')}), '1', '... and has left nothing');
is($node->safe_psql('d', q{SELECT count(*) FROM cqrs.parked_event}), '0', 'nothing is parked');

# A transaction with very many savepoints
$node->safe_psql('d', q{
	DO $$ BEGIN
		FOR i IN 1 .. 20000 LOOP
			BEGIN
				PERFORM cqrs_emit('deep-' || i % 100, 'T', jsonb_build_object('x', i::text));
				IF i % 2 = 0 THEN
					RAISE division_by_zero;
				END IF;
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
		END LOOP;
	END $$});
eventually($node, 'd', $sizes, '0', '20000 savepoints, half of them rolled back');
caught_up_ok($node, 'd', 'p', '... and counted');
is($node->safe_psql('d', q{SELECT count(*), sum((data->>'x')::int % 2), min(cqrs_stream_version(stream)) FROM cqrs.event WHERE category = 'deep'}),
	'10000|10000|200', '... what was rolled back is not there, and versions have no holes');

# Other encodings: what is stored is applied, byte by byte
foreach my $case ([ 'SQL_ASCII', '\\xc3a9' ], [ 'LATIN1', '\\xe9' ], [ 'EUC_JP', '\\xa4a2' ])
{
	my ($encoding, $bytes) = @$case;
	my $database = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	$node->safe_psql($database, 'CREATE EXTENSION cqrs; CREATE SCHEMA shop');
	define_projection($node, $database, 'p');
	$node->safe_psql($database, qq{
		SET client_encoding = '$encoding';
		SELECT cqrs_create_projection('q', 'shop', 'CREATE TABLE q (stream text PRIMARY KEY, x text)');
		SELECT cqrs_on('q', 'T', \$\$INSERT INTO q VALUES (event.stream, event.data->>'x') ON CONFLICT (stream) DO UPDATE SET x = excluded.x\$\$);
		SELECT cqrs_start('q');
		SELECT cqrs_emit('s-' || convert_from('$bytes', '$encoding'), 'T', jsonb_build_object('x', convert_from('$bytes', '$encoding')));
		SELECT cqrs_wait()});
	caught_up_ok($node, $database, 'p', "$encoding: events are applied");
	is($node->safe_psql($database, q{SELECT convert_to(x, getdatabaseencoding()), convert_to(stream, getdatabaseencoding()) FROM shop.q}),
		"$bytes|\\x732d" . substr($bytes, 2), '... as they are');
	($status, $out, $err) = $node->psql($database, q{SELECT cqrs_emit('bad', 'T', '{"x": "\u0000"}')});
	like($err, qr/unsupported Unicode escape sequence/, '... what jsonb does not know is refused at once');
}
$node->stop;
done_testing();
