# A load of all kinds, with errors of all kinds in it, leaves nothing behind: memory,
# open files and locks of the sessions and the workers are at the end what they were
# when everything had been warmed up, and nobody is idle in a transaction.
#
# CQRS_SOAK_EVENTS asks for more events.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $events = $ENV{CQRS_SOAK_EVENTS} || 10000;
my $clients = 2;

# In kilobytes.  What is allowed for is the growth of malloc's arenas, not of what is in use.
my $memory_limit = 3 * 1024;
my $files_limit = 40;

my $node = new_node('main', "fsync = off\njit = off\ncqrs.max_workers = 2\nlog_min_messages = fatal\n");
$node->start;
create_database($node, 'soak');
$node->safe_psql('soak', q{
	CREATE TYPE shop.item AS (id int, qty int, note text);
	SELECT cqrs_create_event_type('Item', 'shop.item');
	CREATE FUNCTION shop.handle(p jsonb) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		IF (p->>'n')::int % 3 = 0 THEN
			RAISE EXCEPTION 'rejected %', p USING ERRCODE = 'SH001';
		END IF;
		RETURN cqrs_emit('handled-' || (p->>'n')::int % 100, 'Handled', p);
	END $$;
	CREATE FUNCTION shop.answer(p jsonb) RETURNS SETOF shop.item LANGUAGE sql STABLE AS 'SELECT n, n, repeat(''x'', n) FROM generate_series(1, (p->>''n'')::int % 20) n';
	CREATE FUNCTION shop.called(e cqrs.event) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		SET LOCAL work_mem = '1MB';
		IF e.version % 500 = 7 THEN
			RAISE EXCEPTION 'event %', repeat(e.data::text, 100);
		END IF;
		BEGIN
			PERFORM 1 / (e.version % 5)::int;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END $$;
	SELECT cqrs_create_command('Handle', 'shop.handle(jsonb)'), cqrs_create_query('Answer', 'shop.answer(jsonb)');
	SELECT cqrs_create_projection('folded', 'shop', 'CREATE TABLE folded (id int PRIMARY KEY, n bigint NOT NULL CHECK (n < 1000000000), note text)', on_error => 'skip'),
		cqrs_on('folded', 'Item', 'INSERT INTO folded VALUES (event.id, event.qty, event.note) ON CONFLICT (id) DO UPDATE SET n = folded.n + 1000 / (event.qty - 13), note = event.note'),
		cqrs_start('folded');
	SELECT cqrs_create_projection('stated', 'shop', 'CREATE TABLE stated (stream text, n bigint); CREATE INDEX ON stated (stream)', on_error => 'skip'),
		cqrs_on('stated', 'Handled', 'UPDATE stated SET n = n + 1 WHERE stream = event.stream; INSERT INTO stated SELECT event.stream, 1 WHERE NOT EXISTS (SELECT FROM stated WHERE stream = event.stream)'),
		cqrs_on('stated', 'Called', 'shop.called(cqrs.event)'::regprocedure),
		cqrs_on_batch('stated', '{Batched}', 'INSERT INTO stated SELECT stream, count(*) FROM events GROUP BY 1'), cqrs_start('stated');
	SELECT cqrs_create_projection('inl', 'shop', 'CREATE TABLE inl (stream text PRIMARY KEY, n bigint CHECK (n % 1000 <> 999))', mode => 'inline'),
		cqrs_on('inl', 'Handled', 'INSERT INTO inl VALUES (event.stream, 1) ON CONFLICT (stream) DO UPDATE SET n = inl.n + 1'), cqrs_start('inl');

	-- One step; what fails is meant to.
	CREATE FUNCTION shop.step(n int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		CASE n % 10
			WHEN 0 THEN
				PERFORM cqrs_emit('item-' || n % 1000, 'Item', jsonb_build_object('id', n % 1000, 'qty', n % 31, 'note', repeat('n', n % 300)));
			WHEN 1 THEN
				PERFORM cqrs_append('item-' || n % 1000, array_fill('Item'::text, ARRAY[10]), array_fill(jsonb_build_object('id', n % 1000, 'qty', 1 + n % 12), ARRAY[10]));
			WHEN 2 THEN
				PERFORM cqrs_emit('item-1', 'Item', '{"id": "x", "unknown": 1}');
			WHEN 3 THEN
				PERFORM cqrs_emit('item-' || n % 1000, 'Item', jsonb_build_object('id', 1, 'qty', 2), expected_version => 0);
			WHEN 4, 5 THEN
				PERFORM cqrs_try_send('Handle', jsonb_build_object('n', n));
				PERFORM cqrs_try_send('Nothing');
			WHEN 6 THEN
				PERFORM cqrs_send('Handle', jsonb_build_object('n', n), gen_random_uuid());
				RAISE division_by_zero;
			WHEN 7 THEN
				PERFORM cqrs_emit('called-' || n % 10, 'Called', jsonb_build_object('n', n)), cqrs_emit('batched-1', 'Batched');
			WHEN 8 THEN
				PERFORM count(*) FROM cqrs_query('Answer', jsonb_build_object('n', n));
				PERFORM cqrs_query('Answer', jsonb_build_object('n', n)) LIMIT 1;
				PERFORM cqrs_query_page('Answer', jsonb_build_object('n', 'x'));
			ELSE
				PERFORM count(*) FROM cqrs_stream('item-' || n % 1000);
				PERFORM cqrs_append('a-1', '{T}', '{}');
		END CASE;
	EXCEPTION WHEN OTHERS THEN
		NULL;
	END $$;});

my $script = $node->backup_dir . '.pgbench';
append_to_file($script, "\\set n random(1, 1000000)\nSELECT shop.step(:n);\n");
my ($out, $err) = ('', '');
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-j', 1, '-T', 1000000, '-f', $script, $node->connstr('soak') ], '>', \$out, '2>', \$err);

# What each process of ours holds.
sub measure
{
	my %found;
	my $rows = $node->safe_psql('soak', q{
		SELECT pid, CASE WHEN backend_type = 'client backend' THEN 'client' ELSE backend_type END,
			(SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')
		  FROM pg_stat_activity a WHERE query LIKE 'SELECT shop.step(%' OR backend_type LIKE 'cqrs %'});
	foreach my $row (split /\n/, $rows)
	{
		my ($pid, $what, $advisory) = split /\|/, $row;
		my ($memory) = eval { slurp_file("/proc/$pid/status") } =~ /^RssAnon:\s+(\d+)/m or next;
		my @files = glob "/proc/$pid/fd/*";
		$found{$pid} = { what => $what, memory => $memory, files => scalar(@files), advisory => $advisory };
	}
	return \%found;
}

sub appended { return $node->safe_psql('soak', 'SELECT coalesce(max(position), 0) FROM cqrs.event') }

sub wait_for
{
	my ($position) = @_;
	while ($load->pumpable && appended() < $position)
	{
		$load->pump_nb;
		select undef, undef, undef, 0.2;
	}
	return measure();
}

my $before = wait_for($events * 0.4);
my $after = wait_for($events);
my $idle = $node->safe_psql('soak', q{SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND now() - state_change > interval '10 s'});
ok($load->pumpable, 'the load has gone on');
$load->signal('INT');
$load->finish;
unlike($err, qr/aborted|error:/, 'without an interruption');

my %compared;
foreach my $pid (sort keys %$before)
{
	my ($then, $now) = ($before->{$pid}, $after->{$pid});
	next unless $now;
	$compared{ $now->{what} }++;
	cmp_ok($now->{memory} - $then->{memory}, '<', $memory_limit, "$now->{what}: memory, $then->{memory} kB then, $now->{memory} kB now");
	cmp_ok($now->{files} - $then->{files}, '<', $files_limit, "$now->{what}: open files, $then->{files} then, $now->{files} now");
	is($now->{advisory}, 0, "$now->{what}: no advisory locks");
}
is($compared{client}, $clients, 'all clients were compared');
ok($compared{'cqrs launcher'}, 'and the launcher');
ok($compared{'cqrs worker'}, 'and a worker');
is($idle, '0', 'nobody was idle in a transaction');

# Everything has been applied, and then nothing is held.
ok($node->poll_query_until('soak', q{SELECT bool_and(events_behind = 0 AND state = 'running') FROM cqrs.projection_status}), 'all is applied');
eventually($node, 'soak', q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE backend_type LIKE 'cqrs %' AND locktype <> 'virtualxid'}, '0', 'workers hold no locks');
is($node->safe_psql('soak', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'cqrs %' AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL)}), '0', 'nor snapshots');
cmp_ok($node->safe_psql('soak', q{SELECT count(*) FROM cqrs.parked_event}), '>', 0, 'events were parked on the way');

$node->stop;
done_testing();
