# Installing where somebody was there first: nothing of theirs is taken for ours,
# nothing of theirs runs.  Dropping and installing again, in one session too.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cqrs'\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE ROLE mallory LOGIN;
	CREATE DATABASE trap;
	GRANT CREATE ON DATABASE trap TO mallory;});

# A schema of that name: the installation fails and adopts nothing.
$node->safe_psql('trap', 'GRANT CREATE ON SCHEMA public TO mallory');
$node->safe_psql('trap', 'CREATE SCHEMA cqrs; CREATE TABLE cqrs.event (position bigint)', extra_params => ['-U', 'mallory']);
my ($code, $out, $err) = $node->psql('trap', 'CREATE EXTENSION cqrs');
isnt($code, 0, 'no installation into a schema that exists');
like($err, qr/schema "cqrs" already exists/, '... with a clear error');
is($node->safe_psql('trap', q{SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'cqrs.event'::regclass}),
	'mallory', '... and nothing is changed');
$node->safe_psql('trap', 'DROP SCHEMA cqrs CASCADE');

# Functions, operators, types and casts that would like to be called
my $traps = q{
	CREATE TABLE public.canary (who pg_catalog.text, is_superuser pg_catalog.text);
	GRANT INSERT ON public.canary TO PUBLIC;
	CREATE FUNCTION public.sing() RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.canary VALUES (current_user, pg_catalog.current_setting('is_superuser'));
		RETURN true;
	END $$;
	CREATE FUNCTION public.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.sing()';
	CREATE FUNCTION public.plus(bigint, integer) RETURNS bigint LANGUAGE sql AS 'SELECT public.sing()::int::bigint';
	CREATE FUNCTION public.arrow(jsonb, varchar) RETURNS text LANGUAGE sql AS 'SELECT public.sing()::text';
	CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same);
	CREATE OPERATOR public.+ (LEFTARG = bigint, RIGHTARG = integer, FUNCTION = public.plus);
	CREATE OPERATOR public.->> (LEFTARG = jsonb, RIGHTARG = varchar, FUNCTION = public.arrow);
	CREATE FUNCTION public.length(varchar) RETURNS integer LANGUAGE sql AS 'SELECT public.sing()::int';
	CREATE FUNCTION public.now(integer DEFAULT 1) RETURNS timestamptz LANGUAGE sql AS $$SELECT CASE WHEN public.sing() THEN 'epoch'::timestamptz END$$;
	CREATE DOMAIN public.uuid AS pg_catalog.uuid CHECK (public.sing());
	CREATE TYPE public.current_setting AS ENUM ('a');
	};
$node->safe_psql('trap', $traps, extra_params => ['-U', 'mallory']);
$node->safe_psql('trap', 'ALTER DATABASE trap SET search_path = public, pg_catalog');
$node->safe_psql('trap', 'CREATE EXTENSION cqrs');
$node->safe_psql('trap', q{
	SELECT cqrs_create_event_type('T');
	SELECT cqrs_emit('a-1', 'T', metadata => '{"tracingspancontext": "x"}'), cqrs_append('a-1', '{T}', '{1}');
	SELECT count(*) FROM cqrs_stream('a-1');
	SELECT cqrs_stream_version('a-1');
	SELECT count(aggregateid), count(tracingspancontext) FROM cqrs.outbox;});
is($node->safe_psql('trap', 'SELECT count(*) FROM public.canary'), '0', 'the canary is silent');
is($node->safe_psql('trap', q{SELECT aggregateid, version FROM cqrs.outbox ORDER BY id}), "1|1\n1|2", 'ours was used');

# Only a superuser installs, updates, moves and drops.
for my $statement ('DROP EXTENSION cqrs', 'ALTER EXTENSION cqrs UPDATE', 'ALTER EXTENSION cqrs SET SCHEMA public',
	'ALTER EXTENSION cqrs ADD FUNCTION public.sing()')
{
	($code, $out, $err) = $node->psql('trap', $statement, extra_params => ['-U', 'mallory']);
	like($err, qr/must be owner of|must be superuser|does not support SET SCHEMA|permission denied/, "mallory: $statement");
}
$node->safe_psql('postgres', 'CREATE DATABASE mine OWNER mallory');
($code, $out, $err) = $node->psql('mine', 'CREATE EXTENSION cqrs', extra_params => ['-U', 'mallory']);
like($err, qr/permission denied to create extension "cqrs"/, 'an owner of a database does not install it');

# Away and back, in a session that has used it
$node->safe_psql('postgres', q{
	CREATE EXTENSION cqrs;
	SELECT cqrs_create_event_type('T');
	SELECT cqrs_emit('a-1', 'T');
	DROP EXTENSION cqrs;
	CREATE EXTENSION cqrs;
	SELECT cqrs_create_event_type('T');
	SELECT cqrs_emit('a-1', 'T');
	BEGIN;
	DROP EXTENSION cqrs;
	ROLLBACK;
	SELECT cqrs_emit('a-1', 'T');
	BEGIN;
	DROP EXTENSION cqrs;
	CREATE EXTENSION cqrs;
	SELECT cqrs_emit('a-1', 'T');
	ROLLBACK;
	SELECT cqrs_emit('a-1', 'T');});
is($node->safe_psql('postgres', q{SELECT string_agg(version::text, ',' ORDER BY position), count(*) FROM cqrs.event}),
	'1,2,3|3', 'dropped and installed again');
is($node->safe_psql('postgres', q{SELECT count(*) FROM cqrs.incarnation}), '1', 'one incarnation');

# What is granted and registered comes back from a dump.
$node->safe_psql('postgres', q{
	CREATE ROLE app LOGIN;
	GRANT EXECUTE ON FUNCTION cqrs_emit TO app;
	GRANT USAGE ON SCHEMA cqrs TO app;
	GRANT SELECT ON cqrs.outbox TO app;});
my $dump = $node->backup_dir . '.sql';
$node->command_ok(['pg_dump', '-f', $dump, $node->connstr('postgres')], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(['psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored')], 'restore');
is($node->safe_psql('restored', q{SELECT cqrs_emit('a-1', 'T'); SELECT count(*) FROM cqrs.outbox}, extra_params => ['-U', 'app']),
	"4\n4", 'rights come back from a dump');

done_testing();
