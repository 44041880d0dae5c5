# A dump with a backlog is restored while workers are there: they wait until it is
# complete, and then apply the rest without anybody's doing anything.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'sleep';
use Workers;

my $node = new_node('main');
$node->start;
create_database($node, 'd');
$node->safe_psql('d', q{
	CREATE ROLE alice LOGIN;
	CREATE SCHEMA tools;
	CREATE FUNCTION tools.one() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT 1::bigint';
	REVOKE EXECUTE ON FUNCTION tools.one FROM PUBLIC;
	GRANT USAGE ON SCHEMA tools TO alice;
	GRANT EXECUTE ON FUNCTION tools.one TO alice;
	GRANT USAGE, CREATE ON SCHEMA shop TO alice;
	SELECT cqrs_grant('alice', 'define');
	SET ROLE alice;
	SELECT cqrs_create_projection('q', 'shop', 'CREATE TABLE q_counts (stream text PRIMARY KEY, n bigint, last bigint)');
	SELECT cqrs_on('q', 'T', $$INSERT INTO q_counts VALUES (event.stream, tools.one(), event.version)
		ON CONFLICT (stream) DO UPDATE SET n = q_counts.n + 1, last = event.version$$);
	SELECT cqrs_start('q')});
define_projection($node, 'd', 'p');
emit($node, 'd', "s$_") for 1 .. 5;
caught_up_ok($node, 'd', $_, "$_ has begun") for qw(p q);

# A backlog
$node->append_conf('postgresql.conf', 'cqrs.max_workers = 0');
$node->reload;
eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker'}, '0', 'no worker is left');
$node->safe_psql('d', q{SELECT cqrs_emit('s' || i % 20, 'T') FROM generate_series(1, 200) i});
my $dump = $node->basedir . '/dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('d') ], 'a dump');
$node->append_conf('postgresql.conf', 'cqrs.max_workers = 4');
$node->reload;
caught_up_ok($node, 'd', $_, "$_ goes on") for qw(p q);

# In steps, with somebody connected, as one who restores is
sub restore_in_steps
{
	my ($database, $between) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my $session = $node->background_psql($database);
	foreach my $section (qw(pre-data data post-data))
	{
		command_ok([ 'pg_restore', '--exit-on-error', "--section=$section", '-d', $node->connstr($database), $dump ], "$database: $section");
		next if $section eq 'post-data';
		# workers have looked
		$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
		sleep 2;
		is($session->query_safe(q{SELECT count(*) FROM cqrs.projection WHERE state <> 'running'}), '0', '... and no projection was stopped');
		is($session->query_safe(q{SELECT coalesce(sum(n), 0) FROM shop.p_counts}), $section eq 'data' ? '5' : '0', '... nor anything applied');
	}
	return $session;
}

my $session = restore_in_steps('r1');
$session->quit;
caught_up_ok($node, 'r1', $_, "$_: applied when nobody is connected") for qw(p q);
emit($node, 'r1', 'new');
caught_up_ok($node, 'r1', $_, '... and so is what comes new') for qw(p q);

$session = restore_in_steps('r2');
$session->query_safe(q{SELECT cqrs_emit('new', 'T')});
is($session->query_safe('SELECT cqrs_wait()'), 't', 'or when somebody appends');
caught_up_ok($node, 'r2', $_, "... $_ is as it should be") for qw(p q);
$session->quit;

# Or when nobody writes for a while: who is connected only reads, and is not pg_restore between two statements
my $slow = restore_in_steps('r4');
$slow->query_safe(q{SET application_name = 'pg_restore'});
$session = restore_in_steps('r3');
$session->query_safe(q{BEGIN; SELECT 1});
caught_up_ok($node, 'r3', $_, "$_: applied when nobody writes") for qw(p q);
$session->quit;
is($slow->query_safe(q{SELECT sum(n) FROM shop.p_counts}), '5', '... and nobody restores');
$slow->quit;
caught_up_ok($node, 'r4', $_, "... $_ when that has ended") for qw(p q);

# All at once, while workers look all the time
$node->append_conf('postgresql.conf', 'cqrs.poll_interval = 10ms');
$node->reload;
foreach my $round (1 .. 5)
{
	$node->safe_psql('postgres', "CREATE DATABASE all$round");
	command_ok([ 'pg_restore', '--exit-on-error', '-j', 3, '-d', $node->connstr("all$round"), $dump ], 'a parallel restore');
	caught_up_ok($node, "all$round", $_, "... $_ goes on by itself") for qw(p q);
}
$node->stop;
done_testing();
