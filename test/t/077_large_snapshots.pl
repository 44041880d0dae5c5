# Hundreds of transactions under way make snapshots large: a cursor is stored
# out of line then, and read all the same, also where no snapshot is active.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $transactions = 300;

my $node = new_node('main', "max_prepared_transactions = $transactions\n");
$node->start;
create_database($node, 'd');
define_projection($node, 'd', 'p');
$node->safe_psql('d', q{
	CREATE FUNCTION shop.emit(p jsonb) RETURNS bigint LANGUAGE sql AS $$ SELECT cqrs_emit('a', 'T') $$;
	SELECT cqrs_create_command('Emit', 'shop.emit(jsonb)');
	ALTER TABLE cqrs.cursor ALTER done SET STORAGE EXTERNAL, ALTER target SET STORAGE EXTERNAL});
$node->safe_psql('d', join('', map { "BEGIN; SELECT pg_current_xact_id(); PREPARE TRANSACTION 'open $_';\n" } 1 .. $transactions));

emit($node, 'd', 'a');
caught_up_ok($node, 'd', 'p', 'a worker follows');
is($node->safe_psql('d', q{SELECT pg_relation_size(reltoastrelid) > 0 FROM pg_class WHERE oid = 'cqrs.cursor'::regclass}),
	't', '... and its cursor is stored out of line');
is($node->safe_psql('d', q{SELECT cqrs_emit('a', 'T'); SELECT cqrs_wait()}), "2\nt", 'waiting for it');
is($node->safe_psql('d', q{CALL cqrs_execute('Emit', timeout => '30s', id => NULL, token => NULL, synced => NULL)}) =~ s/\|.*\|/|/r,
	'3|t', '... also after a commit in the same statement');

$node->safe_psql('d', join('', map { "ROLLBACK PREPARED 'open $_';\n" } 1 .. $transactions));
is($node->safe_psql('d', q{CALL cqrs_execute('Emit', timeout => '30s', id => NULL, token => NULL, synced => NULL)}) =~ s/\|.*\|/|/r,
	'4|t', 'and it becomes small again');
projection_ok($node, 'd', 'p', 'nothing was lost or repeated');
$node->stop;
done_testing();
