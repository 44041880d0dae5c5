# A standby is promoted that has not received all, and a backup is restored to a
# moment in the past: read models and cursors go back together, and a token of
# what was lost is recognised, not taken for something else.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main');
$node->enable_archiving;
$node->start;
create_database($node, 'd');
define_projection($node, 'd', 'p');
$node->safe_psql('d', q{
	CREATE FUNCTION shop.noted(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'noted' $$;
	SELECT cqrs_create_command('Note', 'shop.noted(jsonb)')});
emit($node, 'd', 'kept');
caught_up_ok($node, 'd', 'p', 'a first event');

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'archive_mode = off');
$standby->start;
emit($node, 'd', 'kept');
caught_up_ok($node, 'd', 'p', 'one more');
$node->wait_for_catchup($standby);

# What a standby answers
foreach my $sql (q{SELECT cqrs_emit('a', 'T')}, q{SELECT cqrs_catch_up()}, q{SELECT cqrs_pause('p')}, q{SELECT cqrs_send('Note')}, q{SELECT cqrs_rebuild('p')})
{
	my ($status, $out, $err) = $standby->psql('d', $sql, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	like($err, qr/\b25006\b/, "on a standby: $sql");
}
is($standby->safe_psql('d', q{SELECT projection, state, events_behind FROM cqrs.projection_status; SELECT count(*) FROM cqrs.worker_status}), "p|running|0\n0", 'views can be read there');

# Replay waits for a snapshot to be gone, as long as it takes
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
$standby->reload;
my $replay_waits = q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'RecoveryConflictSnapshot'};
my $somebody_waits = q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cqrs_wait%' AND wait_event_type = 'Extension'};
$node->safe_psql('d', 'CREATE TABLE old (n int); INSERT INTO old VALUES (1)');
$node->wait_for_catchup($standby);

# Each time, replay comes one step further.
sub retried
{
	my ($session, $token) = @_;
	my $answer = '';

	for (1 .. 100) { last if ($answer = $session->query("SELECT cqrs_wait('$token', timeout => '30s')")) ne ''; }
	return $answer;
}

# ... the snapshot of the statement that waits for what is to be replayed
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
eventually($standby, 'postgres', 'SELECT pg_get_wal_replay_pause_state()', 'paused', 'replay is paused');
$node->safe_psql('d', 'UPDATE old SET n = 2; VACUUM old');
my $behind = (split /\n/, $node->safe_psql('d', q{SELECT cqrs_emit('behind', 'T'); SELECT cqrs_token(); SELECT cqrs_wait()}))[1];
my $first = $standby->background_psql('d', on_error_stop => 0);
$first->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_wait('$behind', timeout => '30s');\n});
eventually($standby, 'd', $somebody_waits, '1', 'somebody waits on the standby');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
is($first->query('SELECT 1'), '1', 'who is in the way of what is waited for does not wait');
like($first->{stderr}, qr/ERROR:  cannot wait any longer on this standby/, '... and it is said why');
is(retried($first, $behind), 't', '... and gets there by trying again');
$first->quit;

# ... an older one of somebody else's
my $report = $standby->background_psql('d');
$report->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT n FROM old');
$node->safe_psql('d', 'UPDATE old SET n = 3');
$node->safe_psql('d', 'SELECT pg_current_xact_id()');
$node->wait_for_catchup($standby);
my $held = $node->background_psql('d');
$held->query_safe(q{BEGIN; LOCK TABLE "p$1".p_counts});
$behind = (split /\n/, $node->safe_psql('d', q{SELECT cqrs_emit('behind', 'T'); SELECT cqrs_token()}))[1];
$node->wait_for_catchup($standby);
my $second = $standby->background_psql('d', on_error_stop => 0);
$second->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_wait('$behind', timeout => '40s');\n});
eventually($standby, 'd', $somebody_waits, '1', 'somebody waits on the standby, with a younger snapshot');
$node->safe_psql('d', 'VACUUM old');
eventually($standby, 'd', $replay_waits, '1', 'replay waits for the older one');
$held->query_safe('COMMIT');
$held->quit;
caught_up_ok($node, 'd', 'p', 'the primary goes on');
is($standby->safe_psql('d', $somebody_waits), '1', 'who is not in the way goes on waiting');
is($report->query_safe('SELECT n FROM old; COMMIT'), '2', '... until the older one is gone');
$second->query('SELECT 1');
is(retried($second, $behind), 't', '... and then gets what he waits for, though he may be the next one in the way');
$_->quit for $report, $second;
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = 30s');
$standby->reload;

# Somebody waits there for what the primary cannot apply
my $lock = $node->background_psql('d');
$lock->query_safe('BEGIN; LOCK TABLE "p$1".p_counts');
my $token = (split /\n/, $node->safe_psql('d', q{SELECT cqrs_emit('waited for', 'T'); SELECT cqrs_token()}))[1];
$node->wait_for_catchup($standby);
my $waiter = $standby->background_psql('d');
$waiter->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_wait('$token', '{p}', '40s');\n});
eventually($standby, 'd', $somebody_waits, '1', 'somebody waits on the standby');

# Replication stops; then events, transaction ids and positions are used up that
# the standby will give out again
$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
$standby->reload;
$node->poll_query_until('postgres', 'SELECT count(*) FROM pg_stat_replication', '0') or die 'replication goes on';
$lock->query_safe('COMMIT');
$lock->quit;
$node->safe_psql('d', q{SELECT pg_create_restore_point('here')});
my @lost = map { (split /\n/, $node->safe_psql('d', q{SELECT cqrs_emit('lost', 'T'); SELECT cqrs_token()}))[1] } 1 .. 5;
caught_up_ok($node, 'd', 'p', 'the old primary goes on');
$node->safe_psql('d', 'SELECT pg_switch_wal()');
$node->stop('fast');

sub check_successor
{
	my ($server, $what) = @_;
	caught_up_ok($server, 'd', 'p', "$what: the read model is what its log says");
	is($server->safe_psql('d', q{SELECT cqrs_stream_version('lost'), cqrs_stream_version('kept')}), '0|2', '... it has what was kept, not what was lost');
	foreach my $token (@lost)
	{
		my ($status, $out, $err) = $server->psql('d', "SELECT cqrs_wait('$token')");
		like($err, qr/token names a transaction that this database does not know/, "... token $token of what was lost is refused");
	}
	emit($server, 'd', 'new') for 1 .. 10;
	caught_up_ok($server, 'd', 'p', '... new events are applied');
	is($server->safe_psql('d', q{SELECT cqrs_emit('new', 'T'); SELECT cqrs_wait()}), "11\nt", '... its own tokens are fine');
	return;
}

$standby->promote;
is($waiter->query_safe('SELECT 1'), "t\n1", 'who waits on a standby that is promoted gets what he waits for');
$waiter->quit;
check_successor($standby, 'after the promotion');
$standby->stop;

my $past = PostgreSQL::Test::Cluster->new('past');
$past->init_from_backup($node, 'backup', has_restoring => 1, standby => 0);
$past->append_conf('postgresql.conf', "recovery_target_name = 'here'\nrecovery_target_action = 'promote'\nrecovery_target_timeline = 'current'\narchive_mode = off");
$past->start;
$past->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
check_successor($past, 'after a recovery to a point in time');
$past->stop;
done_testing();
