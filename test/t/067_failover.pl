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

my $node = new_node('main', "shared_preload_libraries = 'cqrs, cqrs_test'\n");
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
my $somebody_waits = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Extension'};
$node->safe_psql('d', q{CREATE TABLE old (n int); INSERT INTO old VALUES (1);
	CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT sum(n)::bigint FROM shop.p_counts';
	CREATE FUNCTION waited(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN cqrs_wait($1, timeout => '30s'); END $$;
	SELECT cqrs_create_query('Counted', 'counted()');
	CREATE FUNCTION is_known(int) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM old WHERE n > 0)';
	CREATE DOMAIN known AS int CHECK (is_known(VALUE));
	CREATE TYPE asked AS (code known);
	CREATE FUNCTION counted_for(p asked) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT counted()';
	SELECT cqrs_create_query('CountedFor', 'counted_for(asked)');
	CREATE FUNCTION look(bigint, jsonb) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT $1 + n FROM old';
	CREATE AGGREGATE looks(jsonb) (SFUNC = look, STYPE = bigint, INITCOND = 0);
	CREATE FUNCTION waited_in_loop(token text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
		DECLARE r record; BEGIN FOR r IN SELECT cqrs_wait(token, timeout => '30s') AS w LOOP RETURN r.w; END LOOP; END $$});
$node->wait_for_catchup($standby);

# A statement waits there while replay is paused; when it goes on, it comes first
# to what the statement's snapshot could be in the way of.
my $behind;
sub wait_in_the_way
{
	my ($statement) = @_;
	my $session = $standby->background_psql('d', on_error_stop => 0);

	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	eventually($standby, 'postgres', 'SELECT pg_get_wal_replay_pause_state()', 'paused', "$statement: replay is paused");
	$node->safe_psql('d', 'UPDATE old SET n = 2; VACUUM old');
	$behind = (split /\n/, $node->safe_psql('d', q{SELECT cqrs_emit('behind', 'T'); SELECT cqrs_token(); SELECT cqrs_wait()}))[1];
	$statement =~ s/TOKEN/$behind/g;
	$session->query_until(qr/go/, qq{\\echo go\n$statement;\n});
	eventually($standby, 'd', $somebody_waits, '1', '... somebody waits on the standby');
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	my $answer = $session->query('SELECT 1');
	my $error = $session->{stderr};
	$session->quit;
	return ($answer, $error);
}

# ... but not for that of a statement that does nothing but wait
foreach my $statement (
	q{SELECT cqrs_wait('TOKEN', timeout => '30s')},
	q{SELECT * FROM cqrs_query('Counted', token => 'TOKEN', timeout => '30s')},
	q{SELECT q - 1 FROM (SELECT max(q::text)::int AS q FROM cqrs_query('Counted', token => 'TOKEN', timeout => '30s') q LIMIT 1) x},
	q{SELECT * FROM cqrs_query('CountedFor', '{"code": 1}', 'TOKEN', '30s')},
	q{SELECT 1 WHERE cqrs_wait('TOKEN', timeout => '30s')},
	q{PREPARE p AS SELECT cqrs_wait($1, timeout => '30s'); BEGIN; SELECT 1 WHERE cqrs_wait('TOKEN', timeout => '30s'); COMMIT})
{
	my ($answer, $error) = wait_in_the_way($statement);
	like($answer, qr/^(t|\d+)\n1$/, '... and gets what it waits for');
	is($error, '', '... without an error');
}

# ... unless it stops at the very moment when that looks with a new one
$node->safe_psql('d', q{CREATE EXTENSION cqrs_test});
$node->wait_for_catchup($standby);
{
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	eventually($standby, 'postgres', 'SELECT pg_get_wal_replay_pause_state()', 'paused', 'a look: replay is paused');
	$node->safe_psql('d', 'UPDATE old SET n = 2; VACUUM old');
	$behind = (split /\n/, $node->safe_psql('d', q{SELECT cqrs_emit('behind', 'T'); SELECT cqrs_token(); SELECT cqrs_wait()}))[1];
	stop_at($standby, 'wait-looked');
	my $session = $standby->background_psql('d', on_error_stop => 0);
	$session->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_wait('$behind', timeout => '1h');\n});
	stopped_at($standby, 'wait-looked');
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	eventually($standby, 'd', $replay_waits, '1', '... and then waits for who looks');
	$standby->safe_psql('d', q{SELECT cqrs_test.go_on('wait-looked')});
	is($session->query('SELECT 1'), '1', '... who gives way, though he has no snapshot any more');
	like($session->{stderr}, qr/ERROR:  cannot wait any longer on this standby/, '... and is told so');
	$session->quit;
}

# ... of one that has read, or will read, with it, it does
foreach my $statement (
	q{SELECT cqrs_wait('TOKEN', timeout => '30s') FROM (SELECT count(*) FROM old) o},
	q{SELECT cqrs_wait('TOKEN', timeout => '30s'), (SELECT n FROM old)},
	q{SELECT cqrs_wait('TOKEN', timeout => '30s'), counted()},
	q{SELECT waited('TOKEN')},
	q{SELECT waited_in_loop('TOKEN')},
	q{SELECT cqrs_wait(t, timeout => '30s') FROM unnest('{TOKEN,TOKEN}'::text[]) t},
	q{SELECT looks(q) FROM cqrs_query('Counted', token => 'TOKEN', timeout => '30s') q},
	q{PREPARE p AS SELECT cqrs_wait($1, timeout => '30s'); EXECUTE p('TOKEN')},
	q{BEGIN; DECLARE c CURSOR FOR SELECT n FROM old; SELECT cqrs_wait('TOKEN', timeout => '30s'); COMMIT},
	q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT cqrs_wait('TOKEN', timeout => '30s'); COMMIT})
{
	my ($answer, $error) = wait_in_the_way($statement);
	is($answer, '1', '... who is in the way of what he waits for does not wait');
	like($error, qr/ERROR:  cannot wait any longer on this standby/, '... and it is said why');
	is($standby->safe_psql('d', "SELECT cqrs_wait('$behind', timeout => '30s')"), 't', '... and gets there by doing nothing else');
}

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
my $second_answer = $second->query('SELECT 1');
like($second_answer, qr/^t\n1$/, '... and then gets what he waits for');
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
my $at_home = $node->background_psql('d');
$at_home->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_wait('$token', '{p}', '40s');\n});
eventually($node, 'd', "$somebody_waits AND query LIKE 'SELECT cqrs_wait%' AND backend_xmin IS NULL", '1', '... and at home, where nothing is kept for him either');

# Replication stops; then events, transaction ids and positions are used up that
# the standby will give out again
$standby->append_conf('postgresql.conf', "primary_conninfo = ''");
$standby->reload;
$node->poll_query_until('postgres', 'SELECT count(*) FROM pg_stat_replication', '0') or die 'replication goes on';
$lock->query_safe('COMMIT');
$lock->quit;
is($at_home->query('SELECT 1'), "t\n1", '... who gets there when it can');
$at_home->quit;
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
