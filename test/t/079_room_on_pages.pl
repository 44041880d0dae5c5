# Versions of rows stay on their page, and dead ones are removed from it when it has
# no room for another, not at each visit.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

# Who writes pages to disk or reads them at the moment keeps them from being tidied up.
my $node = new_node('main', "cqrs.max_workers = 0\nautovacuum = off\nbgwriter_lru_maxpages = 0\ncheckpoint_timeout = 1h\n");
$node->start;
create_database($node, 'd');
$node->safe_psql('d', q{
	CREATE EXTENSION cqrs_test;
	CREATE ACCESS METHOD other TYPE TABLE HANDLER cqrs_test.heap_handler;
	SELECT cqrs_create_projection('counts', 'shop',
		'CREATE TABLE full_pages (id int PRIMARY KEY, n int, filler text) WITH (fillfactor = 90);
		 CREATE TABLE other_method (id int PRIMARY KEY, n int, filler text) USING other');
	SELECT cqrs_on('counts', 'Made', $$
		INSERT INTO full_pages VALUES ((event.data->>'id')::int, 0, repeat('x', 40));
		INSERT INTO other_method VALUES ((event.data->>'id')::int, 0, repeat('x', 40))$$);
	SELECT cqrs_on('counts', 'Counted', $$
		UPDATE full_pages SET n = n + 1 WHERE id = (event.data->>'id')::int;
		UPDATE other_method SET n = n + 1 WHERE id = (event.data->>'id')::int$$);
	SELECT cqrs_start('counts');
	SELECT cqrs_emit('s', 'Made', jsonb_build_object('id', i)) FROM generate_series(1, 1000) i;
	SELECT cqrs_catch_up('counts');
	CREATE PROCEDURE count_often(ids int[], times int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. times LOOP
			PERFORM cqrs_emit('s', 'Counted', jsonb_build_object('id', id)) FROM unnest(ids) id;
			COMMIT;
			PERFORM cqrs_catch_up('counts');
			COMMIT;
		END LOOP;
	END $$});

# Page of a row, and its number there.  Whoever reads a row may tidy its page up, too.
sub place
{
	my ($id) = @_;
	return $node->safe_psql('d', qq{SELECT ctid FROM "counts\$1".full_pages WHERE id = $id}) =~ /\((\d+),(\d+)\)/;
}

# Each session goes by the index.  One that has written the row remembers its place.
my ($page) = place(1);
my $rows = $node->safe_psql('d', qq{SELECT count(*) FROM "counts\$1".full_pages WHERE (ctid::text::point)[0] = $page});
$node->safe_psql('d', q{CALL count_often('{1}', 1)}) for 1 .. 4;
is(join(' ', place(1)), join(' ', $page, $rows + 4), 'a version is on the page of the one before it, and beside it while there is room');
$node->safe_psql('d', q{CALL count_often('{1}', 1)}) for 1 .. 26;
my $times = 30;
is((place(1))[0], $page, '... also when the page has been full several times');
$node->safe_psql('d', q{CALL count_often('{1}', 500)});
$times += 500;
is((place(1))[0], $page, '... also in one session');

# Ten rows of one page take its whole room at once
$node->safe_psql('d', q{CALL count_often('{2, 3, 4, 5, 6, 7, 8, 9, 10}', 200)});
my $pages = $node->safe_psql('d', q{SELECT count(DISTINCT (ctid::text::point)[0]) FROM "counts$1".full_pages WHERE id <= 10});
cmp_ok($pages, '<', 4, 'rows that are written together stay together');

is($node->safe_psql('d', q{SELECT string_agg(n::text, ' ' ORDER BY id) FROM shop.full_pages WHERE id <= 11}),
	"$times 200 200 200 200 200 200 200 200 200 0", 'all has been counted');
is($node->safe_psql('d', q{SELECT count(*) FROM shop.full_pages f FULL JOIN shop.other_method o USING (id, n, filler) WHERE f IS NULL OR o IS NULL}),
	'0', '... also in a table of another access method');
is($node->safe_psql('d', q{SELECT count(*) FROM cqrs_check('counts')}), '0', '... and by the events');
$node->stop;
done_testing();
