# DDL that is in the way of workers, or has workers in its way: both go on.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';
use Workers;

my $node = new_node('main', "shared_preload_libraries = 'cqrs, cqrs_test'\n");
$node->start;
my $place = PostgreSQL::Test::Utils::tempdir_short();
$node->safe_psql('postgres', "CREATE TABLESPACE place LOCATION '$place'");

# Runs a statement while the workers of a database are busy.
sub while_busy
{
	my ($database, $statement, $name, $in) = @_;
	$node->safe_psql($database, q{
		SELECT cqrs_append('s' || i % 50, array_fill('T'::text, '{100}'), array_fill('{}'::jsonb, '{100}')) FROM generate_series(1, 300) i});
	my $begin = time;
	my ($status, $out, $err) = $node->psql($in // 'postgres', $statement);
	is($status, 0, $name) or diag($err);
	cmp_ok(time - $begin, '<', 20, '... within seconds');
	return;
}

foreach my $database (qw(d e))
{
	create_database($node, $database);
	define_projection($node, $database, 'p');
	define_projection($node, $database, 'q');
	emit($node, $database, 'first');
	caught_up_ok($node, $database, 'p', "workers serve $database");
}

while_busy('d', 'CREATE DATABASE copy TEMPLATE d', 'CREATE DATABASE ... TEMPLATE');
caught_up_ok($node, 'd', 'p', '... and the workers come back');
emit($node, 'copy', 'new');
caught_up_ok($node, 'copy', 'p', '... and the copy is served');
caught_up_ok($node, 'copy', 'q', '... all of it');
while_busy('d', 'CREATE DATABASE second_copy TEMPLATE d', 'CREATE DATABASE ... TEMPLATE from inside', 'd');
caught_up_ok($node, 'd', 'p', '... and the workers come back');

while_busy('d', 'ALTER DATABASE d RENAME TO renamed', 'ALTER DATABASE ... RENAME');
caught_up_ok($node, 'renamed', 'p', '... and the workers come back');
while_busy('renamed', 'ALTER DATABASE renamed SET TABLESPACE place', 'ALTER DATABASE ... SET TABLESPACE');
caught_up_ok($node, 'renamed', 'p', '... and the workers come back');

# A command that fails
my $session = $node->background_psql('renamed');
my ($status, $out, $err) = $node->psql('postgres', 'DROP DATABASE renamed');
like($err, qr/is being accessed by other users/, 'DROP DATABASE with somebody in it');
emit($node, 'renamed', 'after');
caught_up_ok($node, 'renamed', 'p', '... and the workers come back');
$session->quit;

# Somebody who may not do it
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN');
emit($node, 'renamed', 'mallory');
caught_up_ok($node, 'renamed', 'p', 'a worker is there');
my $pids = q{SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND datname = 'renamed'};
my $before = $node->safe_psql('postgres', $pids);
$node->psql('postgres', 'DROP DATABASE renamed', connstr => $node->connstr('postgres') . ' user=mallory');
$node->psql('renamed', 'DROP EXTENSION cqrs CASCADE', connstr => $node->connstr('renamed') . ' user=mallory');
is($node->safe_psql('postgres', $pids), $before, 'who may not drop it ends no worker');

# Somebody who keeps a transaction open after what might end workers
my $owned = $node->background_psql('renamed', extra_params => ['-U', 'mallory']);
$owned->query_safe('BEGIN; DROP OWNED BY mallory');
emit($node, 'renamed', 'owned');
caught_up_ok($node, 'renamed', 'p', '... nor keeps them out by DROP OWNED');
$owned->query_safe('ROLLBACK');
$owned->quit;

# The extension
while_busy('renamed', 'BEGIN; DROP EXTENSION cqrs CASCADE; ROLLBACK', 'DROP EXTENSION, rolled back', 'renamed');
caught_up_ok($node, 'renamed', 'p', '... and the workers come back');
while_busy('renamed', 'DROP EXTENSION cqrs CASCADE', 'DROP EXTENSION', 'renamed');
eventually($node, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'renamed'}, '0', '... and nobody stays');
$node->safe_psql('renamed', 'DROP SCHEMA shop CASCADE; DROP SCHEMA "p$1" CASCADE; DROP SCHEMA "q$1" CASCADE; CREATE EXTENSION cqrs; CREATE SCHEMA shop');
define_projection($node, 'renamed', 'p');
emit($node, 'renamed', 'again');
caught_up_ok($node, 'renamed', 'p', 'a new extension is served');
while_busy('renamed', 'ALTER EXTENSION cqrs UPDATE', 'ALTER EXTENSION ... UPDATE', 'renamed');
caught_up_ok($node, 'renamed', 'p', '... and the workers come back');

while_busy('renamed', 'DROP DATABASE renamed', 'DROP DATABASE');
while_busy('e', 'DROP DATABASE e WITH (FORCE)', 'DROP DATABASE ... WITH (FORCE)');
while_busy('copy', 'ALTER DATABASE copy ALLOW_CONNECTIONS false', 'ALTER DATABASE ... ALLOW_CONNECTIONS false');
eventually($node, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker'}, '0', '... and the workers go');
$node->safe_psql('postgres', 'ALTER DATABASE copy ALLOW_CONNECTIONS true');
caught_up_ok($node, 'copy', 'p', '... and come back');

# Roles
$node->safe_psql('copy', q{
	CREATE ROLE alice LOGIN;
	GRANT USAGE, CREATE ON SCHEMA shop TO alice;
	GRANT CREATE ON DATABASE copy TO alice;
	SELECT cqrs_grant('alice', 'define')});
define_projection($node, 'copy', 'a', 'alice');
caught_up_ok($node, 'copy', 'a', 'a projection of alice');
($status, $out, $err) = $node->psql('copy', 'DROP ROLE alice');
like($err, qr/cannot be dropped because some objects depend on it/, 'its owner cannot be dropped');
$node->safe_psql('copy', q{REVOKE ALL ON DATABASE copy FROM PUBLIC; REVOKE ALL ON DATABASE copy FROM alice});
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alice'});
emit($node, 'copy', 'locked out');
eventually($node, 'copy', q{SELECT worker FROM cqrs.projection_status WHERE projection = 'a'}, 'cannot connect as owner', 'an owner without CONNECT');
caught_up_ok($node, 'copy', 'p', '... does not hold up others');
my $lock = $node->background_psql('copy');
$lock->query_safe('BEGIN; LOCK TABLE "a$1".a_counts');
$node->safe_psql('copy', 'CREATE EXTENSION cqrs_test; GRANT CONNECT ON DATABASE copy TO alice');
eventually($node, 'copy', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'alice' AND wait_event_type = 'Lock'}, '1', '... is connected when it has been granted');
$node->safe_psql('copy', q{SELECT cqrs_test.stop_at('launcher-assigns')});
$node->reload;
eventually($node, 'copy', q{SELECT cqrs_test.stopped_at('launcher-assigns') IS NOT NULL}, 't', 'nobody starts another worker');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 40000) FROM pg_stat_activity WHERE usename = 'alice'});
is($node->safe_psql('copy', q{SELECT worker FROM cqrs.projection_status WHERE projection = 'a'}), 'waiting for its turn', '... and nothing else is said when it has ended');
$node->safe_psql('copy', q{SELECT cqrs_test.go_on('launcher-assigns')});
$lock->query_safe('COMMIT');
$lock->quit;
caught_up_ok($node, 'copy', 'a', '... and is served');
$node->safe_psql('copy', q{ALTER TABLE "a$1".a_counts OWNER TO postgres});
emit($node, 'copy', 'no rights');
eventually($node, 'copy', q{SELECT state FROM cqrs.projection_status WHERE projection = 'a'}, 'stopped', 'a projection whose table was taken away stops');
like($node->safe_psql('copy', q{SELECT last_error FROM cqrs.projection_status WHERE projection = 'a'}), qr/permission denied/, '... with the reason');
$node->safe_psql('copy', q{ALTER TABLE "a$1".a_counts OWNER TO alice; SELECT cqrs_resume('a')});
caught_up_ok($node, 'copy', 'a', '... and goes on after the repair');

# An owner that is called something else
$node->safe_psql('postgres', 'ALTER ROLE alice RENAME TO alicia');
eventually($node, 'copy', q{SELECT state || ': ' || last_error FROM cqrs.projection_status WHERE projection = 'a'},
	'stopped: 42704: role "alice", which owns projection "a", does not exist', 'an owner that was renamed is missed');
emit($node, 'copy', 'renamed');
caught_up_ok($node, 'copy', 'p', '... and does not hold up others');
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; GRANT CONNECT ON DATABASE copy TO alice');
$node->safe_psql('copy', q{SELECT cqrs_resume('a')});
eventually($node, 'copy', q{SELECT state || ': ' || substring(last_error FROM 'schema .*') FROM cqrs.projection_status WHERE projection = 'a'},
	'stopped: schema "a$1" of projection "a" does not belong to "alice" any more', 'a new role of that name gets nothing');
$node->safe_psql('copy', q{REVOKE ALL ON DATABASE copy FROM alice; DROP ROLE alice; UPDATE cqrs.projection SET owner = 'alicia' WHERE owner = 'alice'; SELECT cqrs_resume('a')});
caught_up_ok($node, 'copy', 'a', 'and it goes on under the new name');
is($node->safe_psql('copy', q{SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'cqrs: a' AND usename IS NOT NULL}), 'alicia', '... as that role');

# An owner that gives all away, and goes
$node->safe_psql('copy', 'CREATE ROLE bob LOGIN; GRANT CONNECT ON DATABASE copy TO bob; REASSIGN OWNED BY alicia TO bob');
emit($node, 'copy', 'reassigned');
eventually($node, 'copy', q{SELECT state FROM cqrs.projection_status WHERE projection = 'a'}, 'stopped', 'a projection whose tables were reassigned stops');
$node->safe_psql('copy', 'DROP OWNED BY alicia');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alicia'; DROP ROLE alicia});
emit($node, 'copy', 'dropped');
caught_up_ok($node, 'copy', 'p', 'an owner that was dropped does not hold up others');
$node->safe_psql('copy', q{SELECT cqrs_resume('a')});
eventually($node, 'copy', q{SELECT state || ': ' || last_error FROM cqrs.projection_status WHERE projection = 'a'},
	'stopped: 42704: role "alicia", which owns projection "a", does not exist', '... and is missed');
is($node->safe_psql('copy', q{SELECT cqrs_emit('owner', 'T'); SELECT cqrs_wait(timeout => '30s')}), "1\nt", '... and not waited for');
$node->safe_psql('copy', q{UPDATE cqrs.projection SET owner = 'bob' WHERE owner = 'alicia'; GRANT USAGE ON SCHEMA shop TO bob; SELECT cqrs_resume('a')});
caught_up_ok($node, 'copy', 'a', '... until somebody else has it');

# What waits for a lock is one projection, not its neighbours
$lock = $node->background_psql('copy');
$lock->query_safe(q{BEGIN; LOCK TABLE "p$1".p_counts});
emit($node, 'copy', 'neighbours');
caught_up_ok($node, 'copy', 'q', 'a projection that waits for a lock does not hold up another one of its owner');
$lock->query_safe('COMMIT');
$lock->quit;
caught_up_ok($node, 'copy', 'p', '... and goes on');

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal|deadlock detected/, 'no crash, no deadlock');
done_testing();
