# Transaction ids begin again at 2^32, in the middle of a backlog, with transactions
# open and prepared across it.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main');
$node->start;
$node->safe_psql($_, 'VACUUM (FREEZE)') for qw(postgres template1);
$node->stop;
# one page of the commit log before the end of epoch 7
command_ok([ 'pg_resetwal', '-e', 7, '-x', 2**32 - 32768, '-u', 2**32 - 32768, '-D', $node->data_dir ], 'transaction ids near their end');
$node->start;
create_database($node, 'd');
$node->safe_psql('d', q{CREATE EXTENSION cqrs_test; SELECT cqrs_test.create_cursor('r');
	CREATE TABLE got (position bigint)});
define_projection($node, 'd', 'p');
define_projection($node, 'd', 'paused');
emit($node, 'd', 'before') for 1 .. 3;
caught_up_ok($node, 'd', 'p', 'before');
$node->safe_psql('d', q{INSERT INTO got SELECT position FROM cqrs_test.read('r', 2); SELECT cqrs_pause('paused')});

my $open = $node->background_psql('d');
$open->query_safe(q{BEGIN; SELECT cqrs_emit('open', 'T')});
$node->safe_psql('d', q{BEGIN; SELECT cqrs_emit('prepared', 'T'); PREPARE TRANSACTION 'x'});
is($node->safe_psql('d', q{SELECT max(xid::text::numeric) < 8 * 2::numeric ^ 32 FROM cqrs.event}), 't', 'still in epoch 7');

# Uses ids up, one each round; some events on the way
$node->safe_psql('d', q{
	DO $$ BEGIN
		FOR i IN 1 .. 40000 LOOP
			IF i % 500 = 0 THEN
				PERFORM cqrs_emit('on the way', 'T');
			ELSE
				PERFORM pg_current_xact_id();
			END IF;
			COMMIT;
		END LOOP;
	END $$});
is($node->safe_psql('d', q{SELECT max(xid::text::numeric) > 8 * 2::numeric ^ 32 FROM cqrs.event}), 't', 'in epoch 8');
my $token = $open->query_safe('SELECT cqrs_token()');
is($node->safe_psql('d', q{SELECT cqrs_emit('after', 'T'); SELECT cqrs_wait(projections => '{p}')}), "1\nt", 'who is still open delays nobody');
$node->safe_psql('d', q{INSERT INTO got SELECT position FROM cqrs_test.read('r')});
is($node->safe_psql('d', qq{SELECT cqrs_wait('$token', '{p}', '100ms')}), 'f', 'its token is known');
$open->query_safe('COMMIT');
$open->quit;
is($node->safe_psql('d', qq{SELECT cqrs_wait('$token', '{p}')}), 't', '... and is awaited');
$node->safe_psql('d', q{COMMIT PREPARED 'x'});
caught_up_ok($node, 'd', 'p', 'late events across the end are applied');
$node->safe_psql('d', q{SELECT cqrs_resume('paused')});
caught_up_ok($node, 'd', 'paused', '... also by who was behind');
$node->safe_psql('d', q{INSERT INTO got SELECT position FROM cqrs_test.read('r')});
is($node->safe_psql('d', q{SELECT count(*), count(DISTINCT position) FROM got}), $node->safe_psql('d', q{SELECT count(*), count(*) FROM cqrs.event}),
	'a reader gets each event once');

# Freezing, and a crash
$node->safe_psql('d', 'VACUUM (FREEZE) cqrs.event, cqrs.cursor, "p$1".p_counts');
$node->stop('immediate');
$node->start;
emit($node, 'd', 'last');
caught_up_ok($node, 'd', 'p', 'after VACUUM FREEZE and a crash');
$node->stop;
done_testing();
