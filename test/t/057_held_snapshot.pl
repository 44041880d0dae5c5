# A snapshot that somebody holds keeps all versions of a cursor's row.  Who waits
# finds the last one without looking at the others, and who applies events adds one
# without looking at them.
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
create_database($node, 'd');
define_projection($node, 'd', 'p');
my $token;

sub emit_and_wait
{
	my ($times) = @_;
	my @lines = split /\n/, $node->safe_psql('d', "SELECT cqrs_emit('s', 'T');\nSELECT cqrs_wait();\n" x $times . 'SELECT cqrs_token()');
	$token = pop @lines;
	return scalar grep { $_ eq 't' } @lines;
}

# Pages that are looked at to find out that a token has been processed, by a
# session that has done so before
sub pages
{
	my $explain = "EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) SELECT cqrs_wait('$token');\n";
	my @lines = grep { /Buffers:/ } split /\n/, $node->safe_psql('d', $explain x 3);
	my $pages = 0;
	$pages += $_ for $lines[-1] =~ /(?:hit|read)=(\d+)/g;
	return $pages;
}

# Most pages that a batch of one event looks at, in a session that has looked for the
# cursor before.  Now and then a version goes to another page than the one before it.
sub pages_of_batch
{
	my $one = "BEGIN;\nSELECT cqrs_emit('s', 'T');\n"
	  . "EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) SELECT cqrs_catch_up('p');\nCOMMIT;\n";
	my (undef, @lines) = grep { /Buffers:/ } split /\n/, $node->safe_psql('d', $one x 300);
	my $most = 0;
	foreach my $line (@lines)
	{
		my $pages = 0;
		$pages += $_ for $line =~ /(?:hit|read)=(\d+)/g;
		$most = $pages if $pages > $most;
	}
	return $most;
}

# A row that one (sub)transaction locks and another one updates takes one each time.
sub next_multixact
{
	$node->safe_psql('d', 'CHECKPOINT');
	return $node->safe_psql('d', 'SELECT next_multixact_id FROM pg_control_checkpoint()');
}

is(emit_and_wait(10), 10, 'events arrive');
my $multixact = next_multixact();
my $before = pages();
my $before_batch = pages_of_batch();
cmp_ok($before, '>', 0, 'looking costs something');
my $size = q{SELECT pg_relation_size('cqrs.cursor') / current_setting('block_size')::int};
my $small = $node->safe_psql('d', $size);

my $holder = $node->background_psql('d');
$holder->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM shop.p_counts');
is(emit_and_wait(6000), 6000, 'events arrive while a snapshot is held');
cmp_ok($node->safe_psql('d', $size) - $small, '>', 50, '... and the versions of the cursor fill pages');
cmp_ok(pages(), '<', $before + 30, '... which nobody who waits looks at');
cmp_ok(pages_of_batch(), '<', $before_batch + 30, '... nor one who applies events');
is(next_multixact(), $multixact, '... and no batch takes a multixact');
projection_ok($node, 'd', 'p', 'the projection is right');
$holder->query_safe('COMMIT');
$holder->quit;

$node->safe_psql('d', 'VACUUM cqrs.cursor');
is(emit_and_wait(10), 10, 'afterwards, the place of the row may be another one');
projection_ok($node, 'd', 'p', 'the projection is still right');
$node->stop;
done_testing();
