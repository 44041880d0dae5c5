# Attacks that need more than a session: on installation and update, on dumps, on
# workers.  The statements of test/sql/security_*.sql, which the regression tests
# run where the extension has been installed, are run here where it has been
# updated, over each way that an update can take.
use strict;
use warnings FATAL => 'all';

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{PG_TEST_TIMEOUT_DEFAULT} ||= 60;

my $root = "$FindBin::RealBin/../..";
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'cqrs'\ncqrs.max_workers = 4\ncqrs.poll_interval = 1h\ncqrs.retry_max = 1s\nmax_worker_processes = 16\n");
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE victim LOGIN');

# Everybody sings, and nobody but mallory may be heard.
my $canary = q{
	CREATE TABLE public.song (place text, who text, session text, is_superuser boolean);
	GRANT INSERT ON public.song TO PUBLIC;
	CREATE FUNCTION public.sing(place text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
	BEGIN
		INSERT INTO public.song SELECT place, current_user, session_user, rolsuper FROM pg_roles WHERE rolname = current_user;
		RETURN true;
	END $$;
	CREATE VIEW public.canary AS SELECT DISTINCT place, who, is_superuser FROM public.song WHERE who <> 'mallory' OR is_superuser};

sub silent
{
	my ($database, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($database, 'SELECT * FROM canary'), '', "$name: the canary is silent");
}

sub refused
{
	my ($database, $statement, $pattern, $name, @params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($code, $out, $err) = $node->psql($database, $statement, @params);
	isnt($code, 0, "$name: refused");
	return like($err, $pattern, "$name: and says so");
}

#
# Installation: into a schema with another name, out of a session full of traps.
#
$node->safe_psql('postgres', 'CREATE DATABASE install; GRANT CREATE ON DATABASE install TO mallory');
$node->safe_psql('install', $canary);
refused('install', 'CREATE SCHEMA evil; CREATE EXTENSION cqrs SCHEMA evil', qr/must be installed in schema "pg_catalog"/, 'another schema');
refused('install', qq{CREATE SCHEMA "x';SELECT public.sing('install');--"; CREATE EXTENSION cqrs SCHEMA "x';SELECT public.sing('install');--"},
	qr/must be installed in schema "pg_catalog"/, 'a schema that is a statement');
refused('install', 'CREATE EXTENSION cqrs', qr/permission denied to create extension/, 'by who may create in the database', extra_params => [ '-U', 'mallory' ]);
refused('install', 'CREATE EXTENSION cqrs VERSION "../../x"', qr/invalid extension version name/, 'a version that is a path');
$node->safe_psql('install', q{
	CREATE TEMP TABLE event (a int);
	CREATE TEMP TABLE projection (a int);
	CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS $$SELECT CASE WHEN public.sing('now') THEN 'epoch'::timestamptz END$$;
	CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (public.sing('text'));
	CREATE DOMAIN pg_temp.jsonb AS pg_catalog.jsonb CHECK (public.sing('jsonb'));
	SET search_path = pg_temp, pg_catalog;
	CREATE EXTENSION cqrs;
	SELECT pg_catalog.cqrs_emit('s-1', 'T')});
silent('install', 'installed in a session with temporary objects');
is($node->safe_psql('install', q{SELECT count(*) FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
	JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'cqrs' WHERE c.relnamespace <> 'cqrs'::regnamespace AND d.deptype = 'e' AND c.relkind IN ('r', 'v', 'S')}),
	'0', 'all relations are where they belong');

# CREATE SCHEMA with elements runs them with a path of its own.
$node->safe_psql('install', q{
	GRANT USAGE ON SCHEMA cqrs TO mallory;
	SELECT cqrs_grant('mallory', right_name) FROM unnest('{send,query,emit,define}'::text[]) right_name});
$node->safe_psql('install', q{
	CREATE SCHEMA elements AUTHORIZATION mallory
		CREATE TABLE event (a int)
		CREATE VIEW emitted AS SELECT cqrs_emit('elements-1', 'T') AS version;
	SELECT * FROM elements.emitted}, extra_params => [ '-U', 'mallory' ]);
is($node->safe_psql('install', q{SELECT count(*) FROM cqrs.event WHERE stream = 'elements-1'}), '1', 'an append within CREATE SCHEMA is one');

#
# A dump by a superuser of a database full of hostile objects runs none of them,
# and can be restored.
#
$node->safe_psql('install', q{
	CREATE FUNCTION elements.evil() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM public.sing('dump'); RETURN 1; END$$;
	SELECT cqrs_create_projection('dumped', 'elements', $ddl$CREATE TABLE dumped (id bigint PRIMARY KEY, a int DEFAULT elements.evil());
		CREATE VIEW looks AS SELECT elements.evil() AS a; CREATE INDEX ON dumped (a) WHERE a > 0$ddl$),
		cqrs_on('dumped', 'T', 'INSERT INTO dumped (id, a) VALUES (event.position, 1)'), cqrs_start('dumped');
	SELECT cqrs_create_projection($odd$odd "name'; %s$odd$, 'elements', ''), cqrs_start($odd$odd "name'; %s$odd$)},
	extra_params => [ '-U', 'mallory' ]);
$node->safe_psql('install', 'TRUNCATE song');
my $dump = $node->backup_dir . '.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('install') ], 'dump');
is($node->safe_psql('install', 'SELECT count(*) FROM song'), '0', 'nothing of a user runs during a dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $node->connstr('restored') ], 'restore');
silent('restored', 'restored');

#
# Workers: what runs in one is its owner, all the way down, and leaves nothing
# to the next batch.
#
$node->safe_psql('postgres', 'CREATE DATABASE work');
$node->safe_psql('work', "CREATE EXTENSION cqrs; $canary; CREATE SCHEMA evil AUTHORIZATION mallory; CREATE SCHEMA theirs AUTHORIZATION victim;
	SELECT cqrs_grant(r::regrole, g) FROM unnest('{mallory,victim}'::text[]) r, unnest('{emit,define}'::text[]) g");
$node->safe_psql('work', q{
	CREATE TABLE evil.tried (what text, outcome text, me text, session text);
	CREATE FUNCTION evil.later() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM public.sing(''later''); RETURN new; END';
	CREATE TABLE evil.queue (a int);
	CREATE CONSTRAINT TRIGGER later AFTER INSERT ON evil.queue DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.later();
	CREATE FUNCTION evil.try(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		outcome text := 'went through';
	BEGIN
		PERFORM public.sing('worker');
		BEGIN
			EXECUTE e.data->>'sql';
		EXCEPTION WHEN OTHERS THEN
			outcome := sqlstate;
		END;
		PERFORM public.sing('after ' || (e.data->>'sql'));
		INSERT INTO evil.tried VALUES (e.data->>'sql', outcome, current_user, session_user);
	END $$;
	SELECT cqrs_create_projection('evil', 'evil', 'CREATE TABLE mine (a int PRIMARY KEY);
		CREATE CONSTRAINT TRIGGER later AFTER INSERT ON mine DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION evil.later()'),
		cqrs_on('evil', 'Try', 'evil.try(cqrs.event)'::regprocedure), cqrs_start('evil')}, extra_params => [ '-U', 'mallory' ]);
$node->safe_psql('work', q{
	SELECT cqrs_create_projection('theirs', 'theirs', 'CREATE TABLE seen (id bigint PRIMARY KEY, path text, temp int)'),
		cqrs_on('theirs', 'Try', 'INSERT INTO seen VALUES (event.position, NULL, NULL)'), cqrs_start('theirs')}, extra_params => [ '-U', 'victim' ]);
my %attempts = (
	'RESET ROLE' => '42501', 'SET ROLE postgres' => '42501', 'SET SESSION AUTHORIZATION DEFAULT' => '42501', 'RESET SESSION AUTHORIZATION' => '42501',
	q{SELECT set_config('role', 'none', false)} => '42501', 'INSERT INTO evil.queue VALUES (1)' => '42501', 'INSERT INTO mine VALUES (1)' => 'went through',
	'CREATE TEMP TABLE event (a int)' => '42501', 'LISTEN x' => '42501', 'PREPARE p AS SELECT 1' => '42501', 'DECLARE c CURSOR WITH HOLD FOR SELECT 1' => '42501',
	q{SET search_path = 'evil'} => 'went through', q{SET statement_timeout = 1} => 'went through', q{SET TimeZone = 'Asia/Tokyo'} => 'went through',
	'COMMIT' => '0A000', 'DISCARD ALL' => '0A000|42501', q{SELECT pg_advisory_lock(7)} => 'went through', 'LOAD \'plpgsql\'' => 'went through|42501',
	q{COPY (SELECT 1) TO PROGRAM 'true'} => '42501', 'DROP OWNED BY victim' => '42501', 'SELECT * FROM theirs.seen' => '42501',
	q{SELECT * FROM cqrs.event} => '42501', 'CREATE ROLE other' => '42501', 'ALTER SYSTEM SET cqrs.max_workers = 0' => '0A000|25001|42501');
foreach my $sql (sort keys %attempts)
{
	$node->safe_psql('work', 'SELECT cqrs_emit($s$try-1$s$, $s$Try$s$, jsonb_build_object($s$sql$s$, $s$' . $sql . '$s$))');
}
ok($node->poll_query_until('work', 'SELECT count(*) = ' . keys(%attempts) . ' FROM evil.tried'), 'all attempts were made by a worker');
foreach my $sql (sort keys %attempts)
{
	like($node->safe_psql('work', 'SELECT outcome FROM evil.tried WHERE what = $s$' . $sql . '$s$'), qr/^(?:$attempts{$sql})$/, "in a worker: $sql");
}
is($node->safe_psql('work', q{SELECT DISTINCT me, session FROM evil.tried}), 'mallory|mallory', 'a worker is its owner');
silent('work', 'a worker');
ok($node->poll_query_until('work', 'SELECT count(*) = ' . keys(%attempts) . ' FROM theirs.seen'), 'others are not disturbed');
is($node->safe_psql('work', q{SELECT state FROM cqrs.projection_status WHERE projection = 'evil'}), 'running', 'and it goes on');

# One that never ends, and takes no notice of being cancelled, holds up its owner
# alone; it can be ended.
$node->safe_psql('work', q{
	CREATE FUNCTION evil.forever(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		LOOP
			BEGIN
				PERFORM pg_sleep(1);
			EXCEPTION WHEN OTHERS THEN
				NULL;
			END;
		END LOOP;
	END $$;
	SELECT cqrs_create_projection('forever', 'evil', ''), cqrs_on('forever', 'Forever', 'evil.forever(cqrs.event)'::regprocedure), cqrs_start('forever');
	SELECT cqrs_emit('forever-1', 'Forever')}, extra_params => [ '-U', 'mallory' ]);
ok($node->poll_query_until('work', q{SELECT count(*) = 1 FROM cqrs.worker_status WHERE projection = 'forever' AND state = 'applying'}), 'one is busy for ever');
$node->safe_psql('work', q{SELECT cqrs_emit('try-2', 'Try', '{"sql": "SELECT 1"}')});
ok($node->poll_query_until('work', 'SELECT count(*) = ' . (1 + keys %attempts) . ' FROM theirs.seen'), 'others go on');
ok($node->poll_query_until('work', 'SELECT count(*) = ' . (1 + keys %attempts) . ' FROM evil.tried'), 'and its neighbours do');
$node->safe_psql('work', q{SELECT cqrs_pause('forever')}, extra_params => [ '-U', 'mallory' ]);
$node->safe_psql('work', q{SELECT pg_terminate_backend(pid) FROM cqrs.worker_status WHERE projection = 'forever' AND state = 'applying'});
ok($node->poll_query_until('work', q{SELECT count(*) = 0 FROM cqrs.worker_status WHERE projection = 'forever' AND state = 'applying'}), 'it can be ended');

# Who is not entitled to ends no worker, and learns nothing of them.
my $launcher = $node->safe_psql('work', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'cqrs launcher'});
refused('work', "SELECT pg_terminate_backend($launcher)", qr/must be a superuser|permission denied|must be a member/,
	'ending the launcher', extra_params => [ '-U', 'victim' ]);
refused('work', 'SELECT * FROM cqrs.worker_status', qr/permission denied/, 'looking at workers', extra_params => [ '-U', 'victim' ]);

#
# Where the extension has been updated, all attacks are as vain as where it has
# been installed.
#
# What the tests apply themselves, workers are not to take.
$node->append_conf('postgresql.conf', 'cqrs.max_workers = 0');
$node->restart;
my @paths = map { /cqrs--(.*)--(.*)\.sql$/ ? [ $1, $2 ] : () } glob "$root/sql/cqrs--*--*.sql";
foreach my $path (@paths)
{
	my ($from, $to) = @$path;
	my $database = "updated_$from";
	$database =~ tr/a-z0-9_/_/c;
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	is(attack($database, "CREATE EXTENSION cqrs VERSION '$from'; ALTER EXTENSION cqrs UPDATE TO '$to';"), '', "attacks after an update from $from to $to");
}
$node->safe_psql('postgres', 'CREATE DATABASE fresh TEMPLATE template0');
is(attack('fresh', 'CREATE EXTENSION cqrs;'), '', 'attacks by this way of running them');

# Runs the attacks in a database, and gives what differs from what they have to say.
sub attack
{
	my ($database, $install) = @_;
	my $setup = slurp_file("$root/test/sql/setup.sql");
	my $differences = '';

	$setup =~ s/CREATE EXTENSION cqrs;/$install/;
	$node->safe_psql($database, $setup);
	local %ENV = (%ENV, PGTZ => 'PST8PDT', PGDATESTYLE => 'Postgres, MDY');
	foreach my $file (sort glob "$root/test/sql/security_*.sql")
	{
		my ($name) = $file =~ /([^\/]+)\.sql$/;
		my $out = $node->backup_dir . ".$name.out";
		system_log("psql -X -a -q -v HIDE_TABLEAM=on -v HIDE_TOAST_COMPRESSION=on -d '"
			  . $node->connstr($database) . "' <'$file' >'$out' 2>&1");
		$differences .= `diff '$root/expected/$name.out' '$out'`;
	}
	return $differences;
}

$node->stop;
done_testing();
