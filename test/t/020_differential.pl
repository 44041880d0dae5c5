# The rule engine gives what executing the rules one by one gives: random
# tables, rules and events, at several batch sizes.
#
# CQRS_DIFF_CASES and CQRS_DIFF_SEED ask for more, or other, cases.  A failure
# prints the number of the case; run it alone with
#	test/differential/generate.pl SEED NUMBER 1
use strict;
use warnings;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $cases = $ENV{CQRS_DIFF_CASES} || 2000;
my $seed = $ENV{CQRS_DIFF_SEED} || 1;
my $dir = "$FindBin::RealBin/../differential";

my $node = PostgreSQL::Test::Cluster->new('differential');
$node->init(extra => [ "--encoding=UTF8", "--locale=C" ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cqrs'\nfsync = off\njit = off");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION cqrs; CREATE EXTENSION cqrs_engine_test');
$node->safe_psql('postgres', slurp_file("$dir/harness.sql"));

# several connections, so that what one leaves behind does not pile up
for (my $first = 1; $first <= $cases; $first += 1000)
{
	my $count = $cases - $first + 1 < 1000 ? $cases - $first + 1 : 1000;
	my $sql = qx{"$^X" "$dir/generate.pl" $seed $first $count};
	my ($rc, $stdout, $stderr) = $node->psql('postgres', $sql, on_error_stop => 0);

	is($stdout, '', "seed $seed, cases $first to " . ($first + $count - 1) . ': same rows, same errors');
	is($stderr, '', 'nothing went wrong on the way');
}

is($node->safe_psql('postgres', 'SELECT cases FROM diff.summary'), $cases, 'all cases have run');
my $folds = $node->safe_psql('postgres', 'SELECT folds > cases AND statements > cases / 4 FROM diff.summary');
is($folds, 't', 'both kinds of plans were tried');

$node->stop;
done_testing();
