# The counters of a database go with it, and not before: they make room for those of others.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use Test::More;
use Workers;

# as many as there is room for
my $capacity = 3072;

my $query = q{CREATE FUNCTION shop.one() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'};
my $calls = q{SELECT count(*) FROM cqrs.query_stats};

my $node = new_node('main');
$node->start;
create_database($node, $_) for qw(closed gone stays);
$node->safe_psql('closed', qq{$query; SELECT cqrs_create_query('Q', 'shop.one()'); SELECT cqrs_query('Q')});
$node->safe_psql('gone', qq{
	$query;
	DO \$\$ BEGIN FOR i IN 1..$capacity LOOP
		PERFORM cqrs_create_query('Q' || i, 'shop.one()');
		PERFORM cqrs_query('Q' || i);
	END LOOP; END \$\$});
is($node->safe_psql('gone', $calls), $capacity - 1, 'all counters are used');
$node->safe_psql('stays', qq{$query; SELECT cqrs_create_query('Q', 'shop.one()'); SELECT cqrs_query('Q')});
is($node->safe_psql('stays', $calls), 0, 'another database has none');

$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS false');
$node->safe_psql('postgres', 'DROP DATABASE gone');
eventually($node, 'stays', "SELECT cqrs_query('Q'); $calls", "1\n1", '... until the first one is dropped');
is($node->safe_psql('stays', $calls), 1, '... and keeps what it has');
$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS true');
is($node->safe_psql('closed', $calls), 1, '... and so does one that was closed meanwhile');

$node->stop;
done_testing();
