# Workers: who they are, how they are woken, what waiting for them gives.
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
$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE carol');
create_database($node, 'd');
$node->safe_psql('d', q{
	GRANT USAGE, CREATE ON SCHEMA shop TO alice, bob, carol;
	GRANT CREATE ON DATABASE d TO alice, bob, carol;
	SELECT cqrs_grant(r, 'define') FROM unnest('{alice,bob,carol}'::regrole[]) r});

sub wait_sql { return $node->safe_psql('d', $_[0]); }

# Life cycle
is(workers($node), '0', 'no projection, no worker');
define_projection($node, 'd', 'p', 'alice');
is(wait_sql(q{SELECT cqrs_emit('a', 'T'); SELECT cqrs_wait()}), "1\nt", 'a first event arrives');
is(wait_sql(q{SELECT cqrs_emit('a', 'T'); SELECT cqrs_wait(); SELECT n FROM shop.p_counts}), "2\nt\n2", 'and the next');
# On a busy machine there may be a second one, which has come to help
is(wait_sql(q{SELECT bool_and(usename = 'alice'), bool_or(application_name = 'cqrs: p') FROM pg_stat_activity WHERE backend_type = 'cqrs worker'}),
	't|t', 'a worker is connected as the owner, and says for whom it works');
is(wait_sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs launcher'}), '1', 'there is a launcher');
eventually($node, 'd', q{SELECT DISTINCT database, owner, state FROM cqrs.worker_status WHERE state <> 'launcher'}, 'd|alice|idle', 'worker_status');
is(wait_sql(q{SELECT projection, state, events_applied, events_behind, worker FROM cqrs.projection_status}),
	'p|running|2|0|waiting for events', 'projection_status');
is(wait_sql(q{SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid) WHERE a.backend_type = 'cqrs worker'}),
	'0', 'an idle worker holds no lock');
is(wait_sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND backend_xmin IS NOT NULL}),
	'0', '... and no snapshot');

# Several owners, several projections
define_projection($node, 'd', 'q', 'alice');
define_projection($node, 'd', 'r', 'bob');
is(wait_sql(q{SELECT cqrs_emit('b', 'T'); SELECT cqrs_wait()}), "1\nt", 'three projections of two owners');
projection_ok($node, 'd', $_, "projection $_ holds what the log says") for qw(p q r);

# An owner that may not log in
SKIP:
{
	define_projection($node, 'd', 's', 'carol');
	skip 'workers connect as any role', 3 if $node->pg_version >= 17;
	eventually($node, 'd', q{SELECT worker FROM cqrs.projection_status WHERE projection = 's'},
		'owner may not log in', 'an owner that may not log in is named');
	is(wait_sql(q{SELECT cqrs_emit('c', 'T'); SELECT cqrs_wait(NULL, '{p,q,r}')}), "1\nt", '... and does not hold up others');
	$node->safe_psql('d', 'ALTER ROLE carol LOGIN');
	caught_up_ok($node, 'd', 's', '... and is served when it may');
}

# Transactions
is(wait_sql(q{BEGIN; SELECT cqrs_emit('d', 'T'); ROLLBACK; SELECT cqrs_wait()}), "1\nt", 'nothing to wait for after a rollback');
my ($status, $out, $err) = $node->psql('d', q{BEGIN; SELECT cqrs_emit('d', 'T'); SELECT cqrs_wait()}, extra_params => ['-v', 'VERBOSITY=verbose']);
like($err, qr/QC004: +cannot wait for the transaction that is running/, 'waiting for the own transaction');
wait_sql(q{BEGIN; SELECT cqrs_emit('prep', 'T'); PREPARE TRANSACTION 'x'});
wait_sql(q{COMMIT PREPARED 'x'});
caught_up_ok($node, 'd', 'p', 'COMMIT PREPARED wakes');
is(wait_sql(q{BEGIN; SELECT cqrs_pause('q'); PREPARE TRANSACTION 'y'}), '', 'a change of a projection is prepared');
wait_sql(q{COMMIT PREPARED 'y'});
is(wait_sql(q{BEGIN; SELECT cqrs_resume('q'); PREPARE TRANSACTION 'z'}), '', '... and another one');
emit($node, 'd', 'e');
wait_sql(q{COMMIT PREPARED 'z'});
caught_up_ok($node, 'd', 'q', '... and made known');
my $open = $node->background_psql('d');
$open->query_safe(q{BEGIN; SELECT cqrs_emit('late', 'T')});
is(wait_sql(q{SELECT cqrs_emit('f', 'T'); SELECT cqrs_wait()}), "1\nt", 'an open transaction holds up nobody');
is(wait_sql(q{SELECT blocked_by_pid FROM cqrs.projection_status WHERE projection = 'p'}),
	$open->query_safe('SELECT pg_backend_pid()'), '... and is named as the one whose events are to come');
my $token = $open->query_safe('SELECT cqrs_token()');
is(wait_sql(qq{SELECT cqrs_wait('$token', timeout => '200ms')}), 'f', 'its own token can be waited for');
my $waiter = $node->background_psql('d');
$waiter->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_wait('$token', timeout => '30s');\n});
$open->query_safe('COMMIT');
is($waiter->query_safe('SELECT 1'), "t\n1", '... until it commits');
$waiter->query_safe('SELECT 1');
caught_up_ok($node, 'd', 'p', 'late events are applied when they are committed');
is(wait_sql(q{SELECT count(blocked_by_pid) FROM cqrs.projection_status}), '0', 'now nobody is named');
$open->quit;

# What waiting says
($status, $out, $err) = $node->psql('d', q{SELECT cqrs_wait('1-1-999999999')});
like($err, qr/token names a transaction that this database does not know/, 'a token from nowhere');
($status, $out, $err) = $node->psql('d', q{SELECT cqrs_wait('nonsense')});
like($err, qr/invalid token: "nonsense"/, 'no token at all');
($status, $out, $err) = $node->psql('d', q{SELECT cqrs_wait(projections => '{nope}')});
like($err, qr/projection "nope" does not exist/, 'an unknown projection');
wait_sql(q{SELECT cqrs_pause('p')});
($status, $out, $err) = $node->psql('d', q{SELECT cqrs_emit('g', 'T'); SELECT cqrs_wait(projections => '{p}', timeout => '1h')});
is($out, "1\nf", 'a paused projection is not waited for');
like($err, qr/WARNING:  projection "p" is paused/, '... and it is said why');
is(wait_sql(q{SELECT cqrs_emit('g', 'T'); SELECT cqrs_wait()}), "2\nt", '... unless it is named');
$waiter->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_emit('h', 'T'); SELECT cqrs_wait(projections => '{q}', timeout => '1h');\n});
wait_sql(q{SELECT cqrs_resume('p')});
caught_up_ok($node, 'd', 'p', 'and goes on when resumed');

# A projection that is not there any more, or does not run, when others wait for it
$node->safe_psql('d', q{
	CREATE FUNCTION shop.fail(s text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now' USING ERRCODE = '40P01'; END $$;
	CREATE FUNCTION shop.noted(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT cqrs_emit('noted', 'T')::text $$;
	SELECT cqrs_create_command('Note', 'shop.noted(jsonb)')});
foreach my $change (q{SELECT cqrs_drop_projection('x')}, q{SELECT cqrs_pause('x')})
{
	$node->safe_psql('d', q{
		SELECT cqrs_create_projection('x', 'shop', 'CREATE TABLE x_counts (stream text)');
		SELECT cqrs_on('x', 'T', $$INSERT INTO x_counts SELECT event.stream WHERE shop.fail(event.stream)$$);
		SELECT cqrs_start('x')});
	my $all = $node->background_psql('d', on_error_stop => 0);
	my $named = $node->background_psql('d', on_error_stop => 0);
	$all->query_until(qr/go/, qq{\\echo go\nCALL cqrs_execute('Note', '{}', timeout => '1h', id => NULL, token => NULL, synced => NULL) \\gset\n});
	$named->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_emit('named', 'T') \\gset\nSELECT cqrs_wait(projections => '{x}', timeout => '1h');\n});
	eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE query ~ '^(CALL cqrs_execute|SELECT cqrs_wait)' AND state = 'active' AND pid <> pg_backend_pid()}, '2', 'two wait for it');
	$node->safe_psql('d', $change);
	is($all->query_safe(q{SELECT :'synced'}), 't', "$change: who waits for all is told that all that run have followed");
	is($named->query('SELECT 1'), "f\n1", '... and who waits for this one, that it has not');
	eval { $_->quit } foreach $all, $named;
}
$node->safe_psql('d', q{SELECT cqrs_drop_projection('x')});
$waiter->quit;

# Queries wait for what a token names
$node->safe_psql('d', q{
	CREATE FUNCTION n_of(params jsonb) RETURNS bigint STABLE LANGUAGE sql AS $$ SELECT n FROM shop.p_counts WHERE stream = params ->> 'stream' $$;
	SELECT cqrs_create_query('n_of', 'n_of(jsonb)')});
foreach my $i (1 .. 20)
{
	my $written = $node->safe_psql('d', q{SELECT cqrs_emit('query', 'T'); SELECT cqrs_token()});
	my ($version, $token) = split /\n/, $written;
	is($node->safe_psql('d', qq{SELECT * FROM cqrs_query('n_of', '{"stream": "query"}', '$token')}), $version, "a query sees what its token names, $i")
	  if $i % 10 == 0 || $version ne $node->safe_psql('d', qq{SELECT * FROM cqrs_query('n_of', '{"stream": "query"}', '$token')});
}
{
	my $held = $node->background_psql('d');
	$held->query_safe(q{BEGIN; LOCK TABLE "p$1".p_counts IN EXCLUSIVE MODE});
	my $token = (split /\n/, $node->safe_psql('d', q{SELECT cqrs_emit('query', 'T'); SELECT cqrs_token()}))[1];
	my ($code, $rows, $message) = $node->psql('d', qq{SELECT * FROM cqrs_query('n_of', '{"stream": "query"}', '$token', '200ms')}, extra_params => ['-v', 'VERBOSITY=verbose']);
	isnt($code, 0, 'a query does not answer with old data');
	like($message, qr/55P03/, '... but says so');
	create_database($node, 'elsewhere');
	$node->safe_psql('elsewhere', q{CREATE ROLE dave; SELECT cqrs_grant('dave', 'watch')});
	my $busy = q{SELECT database, owner, projection FROM cqrs.worker_status WHERE state = 'applying'};
	eventually($node, 'elsewhere', $busy, 'd|alice|p', 'a superuser sees what is worked for in another database');
	is($node->safe_psql('elsewhere', "SET ROLE dave; $busy"), 'd|alice|', '... and who may watch in this one does not');
	is($node->safe_psql('elsewhere', "GRANT pg_read_all_stats TO dave; SET ROLE dave; $busy"), 'd|alice|p', '... without reading all statistics');
	$node->safe_psql('postgres', 'DROP DATABASE elsewhere');
	my $asker = $node->background_psql('d');
	$asker->query_until(qr/go/, qq{\\echo go\nSELECT * FROM cqrs_query('n_of', '{"stream": "query"}', '$token', '30s');\n});
	$held->query_safe('COMMIT');
	$held->quit;
	is($asker->query_safe('SELECT 1'), "21\n1", '... and waits for as long as it may');
	$asker->quit;
}

# Events are counted, whoever applies them
{
	my $count = q{SELECT events_applied FROM cqrs.projection_status WHERE projection = 'q'};
	wait_sql(q{SELECT cqrs_wait()});
	my $before = wait_sql($count);
	is($before, wait_sql(q{SELECT sum(n) FROM shop.q_counts}), 'what workers apply is counted');
	wait_sql(q{SELECT cqrs_pause('q'); SELECT cqrs_emit('counted', 'T') FROM generate_series(1, 3)});
	wait_sql(q{BEGIN; SELECT cqrs_resume('q'); SELECT cqrs_catch_up('q'); COMMIT});
	is(wait_sql($count), $before + 3, '... what is applied in the foreground, too');
	wait_sql(q{BEGIN; SELECT cqrs_emit('counted', 'T'); SELECT cqrs_catch_up('q'); ROLLBACK});
	wait_sql(q{BEGIN; SAVEPOINT a; SELECT cqrs_emit('counted', 'T'); SELECT cqrs_catch_up('q'); ROLLBACK TO a; SELECT cqrs_emit('counted', 'T'); SELECT cqrs_catch_up('q'); COMMIT});
	wait_sql(q{SELECT cqrs_wait()});
	is(wait_sql($count), $before + 4, '... but not what was rolled back');
	is(wait_sql($count), wait_sql(q{SELECT sum(n) FROM shop.q_counts}), '... and each event once');
	wait_sql(q{BEGIN; SELECT cqrs_drop_projection('q'); ROLLBACK});
	is(wait_sql($count), wait_sql(q{SELECT sum(n) FROM shop.q_counts}), '... also after a drop that is rolled back');
	wait_sql(q{SELECT cqrs_drop_projection('q')});
	define_projection($node, 'd', 'q', 'alice');
	caught_up_ok($node, 'd', 'q', 'another projection gets the name');
	is(wait_sql($count), wait_sql(q{SELECT sum(n) FROM shop.q_counts}), '... and a count of its own');

	my $define = q{
		SELECT cqrs_create_projection('again', 'shop', 'CREATE TABLE again (n bigint PRIMARY KEY)');
		SELECT cqrs_on('again', 'T', 'INSERT INTO again VALUES (event.position)');
		SELECT cqrs_start('again')};
	wait_sql("BEGIN; $define; SELECT cqrs_catch_up('again');
		SAVEPOINT s; SELECT cqrs_drop_projection('again'); RELEASE s;
		$define; SELECT cqrs_catch_up('again'); COMMIT");
	is(wait_sql(q{SELECT events_applied FROM cqrs.projection_status WHERE projection = 'again'}),
		wait_sql(q{SELECT count(*) FROM shop.again}), '... also within one transaction');
	wait_sql(q{SELECT cqrs_drop_projection('again')});
}

# A wait can be cancelled, and ended
$node->safe_psql('d', q{BEGIN; LOCK TABLE cqrs.cursor IN EXCLUSIVE MODE; SELECT 1});
my $lock = $node->background_psql('d');
$lock->query_safe(q{BEGIN; LOCK TABLE cqrs.cursor IN EXCLUSIVE MODE});
foreach my $function ('pg_cancel_backend', 'pg_terminate_backend')
{
	my $session = $node->background_psql('d', on_error_stop => 0);
	$session->query_until(qr/go/, qq{\\echo go\nSELECT cqrs_emit('i', 'T'); SELECT cqrs_wait(timeout => '1h');\n});
	eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cqrs_wait(timeout%' AND state = 'active' AND pid <> pg_backend_pid()}, '1', 'somebody waits');
	is(wait_sql(qq{SELECT $function(pid) FROM pg_stat_activity WHERE query LIKE '%cqrs_wait(timeout%' AND state = 'active' AND pid <> pg_backend_pid()}), 't', $function);
	eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cqrs_wait(timeout%' AND state = 'active' AND pid <> pg_backend_pid()}, '0', '... ends the wait');
	eval { $session->quit };
}
eventually($node, 'd', q{SELECT count(*) > 0 FROM cqrs.projection_status WHERE blocked_by_pid IS NOT NULL}, 't', 'who blocks is named');
$lock->query_safe('ROLLBACK');
$lock->quit;
caught_up_ok($node, 'd', $_, "projection $_ went on") for qw(p q r s);

# The ledger forgets: nobody calls anything
$node->safe_psql('d', q{
	CREATE FUNCTION shop.done(p jsonb) RETURNS text LANGUAGE sql AS $$ SELECT p->>'n' $$;
	SELECT cqrs_create_command('Do', 'shop.done(jsonb)');
	SELECT count(cqrs_send('Do', jsonb_build_object('n', n))) FROM generate_series(1, 20000) n;
	UPDATE cqrs.ledger SET received_at = now() - interval '1 day' WHERE result::int % 1000 <> 0});
$node->append_conf('postgresql.conf', 'cqrs.ledger_retention = 10min');
$node->reload;
eventually($node, 'd', q{SELECT count(*) FROM cqrs.ledger}, '20', 'old rows of the ledger are removed');
is(wait_sql(q{SELECT count(*) FROM cqrs.ledger WHERE received_at < now() - interval '10min'}), '0', '... and no others');
is(wait_sql(q{VACUUM cqrs.ledger; SELECT count(cqrs_send('Do', jsonb_build_object('n', n))) FROM generate_series(1, 10000) n;
	SELECT pg_relation_size('cqrs.ledger') < 5000000}), "10000\nt", '... and their room is used again');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/TRAP|PANIC|terminated by signal/, 'no crash');
done_testing();
