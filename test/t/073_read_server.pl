# The read side on a server of its own, which gets the events by logical
# replication.  What doc/operations.md tells to do on either server is done here,
# word for word.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my %node;
foreach my $name (qw(write read))
{
	$node{$name} = new_node($name);
	$node{$name}->start;
	create_database($node{$name}, 'shop');
}
my ($write, $read) = @node{qw(write read)};
define_projection($read, 'shop', 'followed');

sub append_load
{
	$write->safe_psql('shop', q{SELECT cqrs_append('load-' || s, array_fill('T'::text, ARRAY[100]), array_fill('{"a": 1}'::jsonb, ARRAY[100]))
		FROM generate_series(1, 20) s});
	return;
}

# Some history, then what the document says.  Before the events begin to flow comes
# a transaction that will commit late.
emit($write, 'shop', "old-$_") for 1 .. 3;
append_load();
my $late = $write->background_psql('shop');
my $document = slurp_file("$FindBin::RealBin/../../doc/operations.md");
my $blocks = 0;
while ($document =~ /^```sql (write|read)\n(.*?)^```$/msg)
{
	my ($where, $sql) = ($1, $2);
	my $connection = $write->connstr('shop') =~ s/'/''/gr;
	$sql =~ s/host=write\.example\.com dbname=shop/$connection/;
	$late->query_safe(q{BEGIN; SELECT cqrs_emit('late-1', 'T');}) if $sql =~ /cqrs_resume/;
	$node{$where}->safe_psql('shop', $sql);
	$blocks++;
}
cmp_ok($blocks, '>=', 3, 'the document tells what to do on either server');

my $rows = q{SELECT string_agg(stream || n, ' ' ORDER BY stream COLLATE "C") FROM shop.followed_counts WHERE stream NOT LIKE 'load-%'};
my $load = q{SELECT count(*), sum(n), sum(last) FROM shop.followed_counts WHERE stream LIKE 'load-%'};
eventually($read, 'shop', $load, '20|2000|2000', 'the history arrives');

$write->safe_psql('shop', q{BEGIN; SELECT cqrs_emit('new-1', 'T'); SAVEPOINT s; SELECT cqrs_emit('gone-1', 'T');
	ROLLBACK TO s; SELECT cqrs_emit('new-1', 'T'); COMMIT});
emit($write, 'shop', 'new-2');
eventually($read, 'shop', $rows, 'new-12 new-21 old-11 old-21 old-31', 'new events arrive, what was rolled back does not');
$late->query_safe('COMMIT');
$late->quit;
eventually($read, 'shop', $rows, 'late-11 new-12 new-21 old-11 old-21 old-31', 'one that commits late is not lost');

# Either server crashes.
$read->stop('immediate');
append_load();
$read->start;
$write->stop('immediate');
$write->start;
append_load();
eventually($read, 'shop', $load, '20|6000|6000', 'crashes of either server lose and repeat nothing');
is($read->safe_psql('shop', 'SELECT count(*) FROM cqrs.event'), $write->safe_psql('shop', 'SELECT count(*) FROM cqrs.event'),
	'both logs are equally long');
is($read->safe_psql('shop', q{SELECT string_agg(version::text, ',' ORDER BY position) FROM cqrs.event WHERE stream = 'load-7'}),
	join(',', 1 .. 300), 'versions are those of the origin, in order');

# The slot is lost, with events that had not been sent.
$read->safe_psql('shop', q{ALTER SUBSCRIPTION events DISABLE; ALTER SUBSCRIPTION events SET (slot_name = NONE); DROP SUBSCRIPTION events});
$write->poll_query_until('shop', q{SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'events'}) or die 'the slot is still in use';
$write->safe_psql('shop', q{SELECT pg_drop_replication_slot('events')});
append_load();
emit($write, 'shop', 'unsent-1');
eventually($write, 'shop', q{SELECT count(*) = (SELECT count(*) FROM cqrs.event) FROM "outgoing$1".outgoing_event}, 't', 'events are written while there is no slot');
my ($subscription) = $document =~ /^(CREATE SUBSCRIPTION events .*?;)/ms;
my $connection = $write->connstr('shop') =~ s/'/''/gr;
$subscription =~ s/host=write\.example\.com dbname=shop/$connection/;
$subscription =~ s/copy_data = false/copy_data = true/ or die 'no subscription in the document';
$read->safe_psql('shop', $subscription);
eventually($read, 'shop', $load, '20|8000|8000', 'a new subscription brings what is missing, and nothing twice');
emit($write, 'shop', 'unsent-1');
eventually($read, 'shop', q{SELECT n FROM shop.followed_counts WHERE stream = 'unsent-1'}, '2', 'and goes on');
is($read->safe_psql('shop', 'SELECT count(*) FROM cqrs.event'), $write->safe_psql('shop', 'SELECT count(*) FROM cqrs.event'),
	'both logs are equally long again');

# An event that the read server refuses, and that is skipped there: what follows in
# its stream is refused for that, until it has been sent again.
my $offset = -s $read->logfile;
$read->safe_psql('shop', q{CREATE TYPE strict AS (n int); SELECT cqrs_create_event_type('Strict', 'strict')});
$write->safe_psql('shop', q{SELECT cqrs_emit('strict-1', 'Strict', '{"n": "x"}')});
$read->wait_for_log(qr/finished at [0-9A-F]+\/[0-9A-F]+/, $offset);
my ($lsn) = slurp_file($read->logfile, $offset) =~ /finished at ([0-9A-F]+\/[0-9A-F]+)/;
$read->safe_psql('shop', "ALTER SUBSCRIPTION events SKIP (lsn = '$lsn')");
$read->wait_for_log(qr/completed skipping/, $offset);
$write->safe_psql('shop', q{SELECT cqrs_emit('strict-1', 'Strict', '{"n": 2}')});
$read->wait_for_log(qr/ERROR: .*strict-1/, -s $read->logfile);
is($read->safe_psql('shop', q{SELECT cqrs_stream_version('strict-1')}), '0', 'nothing comes after an event that was skipped');
$read->safe_psql('shop', q{DELETE FROM cqrs.event_type WHERE name = 'Strict';
	ALTER SUBSCRIPTION events DISABLE; ALTER SUBSCRIPTION events SET (slot_name = NONE); DROP SUBSCRIPTION events});
$write->poll_query_until('shop', q{SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'events'}) or die 'the slot is still in use';
$write->safe_psql('shop', q{SELECT pg_drop_replication_slot('events')});
$read->safe_psql('shop', $subscription);
eventually($read, 'shop', q{SELECT cqrs_stream_version('strict-1')}, '2', '... until all is sent again');

# A projection that is made later gets the history, too.
define_projection($read, 'shop', 'later');
eventually($read, 'shop', 'SELECT count(*), sum(n) FROM shop.later_counts', '27|8009', 'a new projection gets the history');

done_testing();
