# Whoever wants to see it fail: injects faults into the server of a Chaos, by a
# schedule that a seed makes.
package Nemesis;
use strict;
use warnings;

use Errno qw(ENOSPC EDQUOT EIO);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $WORKER = "backend_type = 'cqrs worker'";
my $BACKEND = "backend_type = 'client backend' AND datname = 'chaos' AND pid <> pg_backend_pid()";
my $OURS = "backend_type LIKE 'cqrs %'";
my $TABLES = 'event stream source';

# name => [weight, what it does].  It is called with the nemesis and two numbers
# from 0 to 1, and gives what there is to be told.
my %FAULTS = (
	kill_worker => [ 3, sub { $_[0]->signal('KILL', $WORKER, $_[1]) } ],
	kill_backend => [ 2, sub { $_[0]->signal('KILL', $BACKEND, $_[1]) } ],
	kill_launcher => [ 1, sub { $_[0]->signal('KILL', "backend_type = 'cqrs launcher'", $_[1]) } ],
	stop_worker => [ 4, sub { $_[0]->suspend($WORKER, $_[1], 3 * $_[2]) } ],
	stop_backend => [ 3, sub { $_[0]->suspend($BACKEND, $_[1], 3 * $_[2]) } ],
	terminate_worker => [ 6, sub { $_[0]->call('pg_terminate_backend', $WORKER, $_[1]) } ],
	terminate_backend => [ 6, sub { $_[0]->call('pg_terminate_backend', $BACKEND, $_[1]) } ],
	terminate_launcher => [ 2, sub { $_[0]->call('pg_terminate_backend', "backend_type = 'cqrs launcher'", $_[1]) } ],
	cancel_worker => [ 6, sub { $_[0]->call('pg_cancel_backend', $WORKER, $_[1]) } ],
	cancel_backend => [ 6, sub { $_[0]->call('pg_cancel_backend', $BACKEND, $_[1]) } ],
	storm => [ 2, sub { $_[0]->sql("SELECT CASE WHEN random() < 0.5 THEN pg_terminate_backend(pid) ELSE pg_cancel_backend(pid) END
		FROM pg_stat_activity, generate_series(1, 3) WHERE $OURS OR $BACKEND") } ],
	immediate => [ 1, sub { $_[0]->restart('immediate') } ],
	restart => [ 1, sub { $_[0]->restart('fast') } ],
	kill_postmaster => [ 1, sub { $_[0]->kill_postmaster } ],
	column => [ 3, \&column ],
	index => [ 3, \&index_table ],
	lock => [ 4, sub { $_[0]->background('chaos', 'BEGIN; LOCK TABLE ' . $_[0]->table($_[1]) . '; SELECT pg_sleep(' . 3 * $_[2] . ')') } ],
	lock_log => [ 1, sub { $_[0]->background('chaos', 'BEGIN; LOCK TABLE cqrs.event; SELECT pg_sleep(' . $_[2] . ')') } ],
	rename => [ 2, \&rename_table ],
	rewrite => [ 3, sub { $_[0]->sql('SET lock_timeout = 2000; VACUUM FULL ' . ($_[1] < 0.3 ? 'cqrs.event' : $_[1] < 0.5 ? 'cqrs.cursor' : $_[0]->table($_[2]))) } ],
	reindex => [ 1, sub { $_[0]->sql('SET lock_timeout = 2000; REINDEX TABLE ' . ($_[1] < 0.5 ? 'cqrs.event' : 'cqrs.cursor')) } ],
	long_write => [ 3, sub { $_[0]->background($_[1] < 0.5 ? 'chaos' : 'other',
		'BEGIN; CREATE TABLE long_' . $_[0]->{count} . ' (n int); SELECT pg_sleep(' . 8 * $_[2] . '); ROLLBACK') } ],
	long_read => [ 2, sub { $_[0]->background('chaos', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM cqrs.event; SELECT pg_sleep(' . 8 * $_[2] . ')') } ],
	prepared_elsewhere => [ 1, \&prepare_elsewhere ],
	pause => [ 3, \&pause_projection ],
	settings => [ 3, \&change_settings ],
	disk_full => [ 3, \&fill_disk ],
	# PostgreSQL itself does not always recover from it, so not in each run of the tests
	clock => [ $ENV{CQRS_CHAOS_SECONDS} || $ENV{CQRS_CHAOS_FAULTS} ? 4 : 0, \&shift_clock ],
	extension => [ 2, \&come_and_go ],
	copy_other => [ 2, \&copy_other ],
	copy => [ 1, \&copy_database ],
	dump => [ 1, \&dump_database ],
	rebuild => [ 2, \&rebuild ],
	switch_over => [ 1, \&switch_over ],
);

sub new
{
	my ($class, $chaos, $seconds, %options) = @_;
	my $self = bless {
		chaos => $chaos, seconds => $seconds, count => 0, done => {}, later => [], sessions => [],
		suspended => {}, probes => [], problems => [], verbose => $ENV{CQRS_CHAOS_VERBOSE} }, $class;

	$self->{schedule} = schedule($chaos->{seed}, $seconds, $options{only});
	return $self;
}

# The same for the same seed: a list of [seconds after the start, fault, number, number].
sub schedule
{
	my ($seed, $seconds, $only) = @_;
	my @names = map { my $name = $_; ($name) x $FAULTS{$name}[0] } grep { !$only || $only->{$_} } sort keys %FAULTS;
	my @list;
	my $at = 1;

	srand($seed);
	while ($at < $seconds - 2)
	{
		push @list, [ $at, $names[ rand @names ], rand(), rand() ];
		$at += rand(1.2);
	}
	return \@list;
}

# Injects all of it.  A fault that takes long moves the later ones.
sub run
{
	my ($self) = @_;
	my $chaos = $self->{chaos};
	my @schedule = @{ $self->{schedule} };
	my $shift = 0;
	my $start = time;
	my $next_probe = 10;

	while (@schedule)
	{
		my ($at, $name, $a, $b) = @{ $schedule[0] };
		my $now = time - $start;

		$self->heal_due(time);
		$chaos->resolve_prepared(2) if $self->{count}++ % 20 == 0;
		last if $now > $self->{seconds};
		if ($now < $at + $shift)
		{
			sleep 0.05;
			next;
		}
		shift @schedule;
		$self->{done}{$name}++;
		my $told = eval { $FAULTS{$name}[1]->($self, $a, $b) } // "failed: $@";
		$self->tell(sprintf '%.1f %s: %s', $now, $name, $told);
		if (time - $start - $now > 1)
		{
			$shift += time - $start - $now - 1;
		}
		if (time - $start > $next_probe)
		{
			$self->probe;
			$next_probe = time - $start + 10;
		}
	}
	$self->heal_all;
	return;
}

sub tell
{
	my ($self, $what) = @_;
	$what =~ s/\s+/ /g;
	push @{ $self->{told} }, $what;
	note($what);
	print STDERR "# $what\n" if $self->{verbose};
	return;
}

sub problem
{
	my ($self, $what) = @_;
	push @{ $self->{problems} }, $what;
	$self->tell("PROBLEM: $what");
	diag($what);
	return $what;
}

# --------------------------------------------------------------------------
# What heals
# --------------------------------------------------------------------------

sub later
{
	my ($self, $seconds, $sub) = @_;
	push @{ $self->{later} }, [ time + $seconds, $sub ];
	return;
}

sub heal_due
{
	my ($self, $now) = @_;
	my @due = grep { $_->[0] <= $now } @{ $self->{later} };

	$self->{later} = [ grep { $_->[0] > $now } @{ $self->{later} } ];
	foreach my $heal (@due)
	{
		eval { $heal->[1]->(); 1 } or $self->tell("healing failed: $@");
	}
	return;
}

# What only lasts is left alone when it is not in the way: open transactions.
sub heal_most
{
	my ($self) = @_;
	my $chaos = $self->{chaos};

	$self->wake_up;
	$chaos->wait_for_server;
	$self->reset_clock;
	$chaos->set_faults(0, 0, 0);
	$self->heal_due(time + 1e6);
	foreach my $table ('event', 'stream', 'source')
	{
		# one whose healing was interrupted by another fault
		$chaos->try_sql('chaos', "SELECT format('ALTER TABLE %s RENAME TO %I', c.oid::regclass, regexp_replace(relname, '_away\$', ''))
			FROM pg_class c WHERE relname LIKE '%${table}_away' \\gexec");
	}
	$chaos->try_sql('chaos', q{ALTER SYSTEM RESET ALL; SELECT pg_reload_conf()}) // $chaos->try_sql('chaos', 'SELECT 1');
	$chaos->try_sql('postgres', $_) for 'ALTER SYSTEM RESET ALL', 'SELECT pg_reload_conf()', 'ALTER DATABASE chaos ALLOW_CONNECTIONS true';
	$self->resume_all;
	return;
}

sub resume_all
{
	my ($self) = @_;

	for (1 .. 100)
	{
		$self->{chaos}->try_sql('chaos', q{SET lock_timeout = '2s'; SELECT cqrs_resume(name) FROM cqrs.projection WHERE state <> 'running' ORDER BY name});
		my $left = $self->{chaos}->try_sql('chaos', q{SELECT count(*) FROM cqrs.projection WHERE state <> 'running'});
		return if defined $left && $left eq '0';
		$self->{chaos}->resolve_prepared;
		sleep 0.1;
	}
	$self->problem('a projection cannot be resumed: ' . $self->{chaos}{last_error});
	return;
}

sub heal_all
{
	my ($self) = @_;

	$self->heal_most;
	$self->end_sessions;
	$self->{chaos}->resolve_prepared;
	return;
}

sub end_sessions
{
	my ($self) = @_;

	foreach my $session (@{ $self->{sessions} })
	{
		eval { $session->signal('INT'); };
		eval { $session->finish };
	}
	$self->{sessions} = [];
	return;
}

sub wake_up
{
	my ($self) = @_;

	kill 'CONT', $_ for keys %{ $self->{suspended} };
	$self->{suspended} = {};
	return;
}

# --------------------------------------------------------------------------
# In the middle of it: whoever still has a transaction open delays nobody else.
# --------------------------------------------------------------------------

sub probe
{
	my ($self) = @_;
	my $chaos = $self->{chaos};
	my $number = scalar @{ $self->{probes} };
	my $start;
	my $out;

	$self->heal_most;
	$start = time;
	# locks on read tables are held for three seconds at most, and writers go on
	$out = $chaos->try_sql('chaos', qq{
		SELECT cqrs_emit('probe-$number', 'E', '{"n": -$number, "w": -$number}');
		SELECT cqrs_wait(timeout => '${Chaos::DRAIN_SECONDS}s')});
	push @{ $self->{probes} }, time - $start;
	$self->problem("probe $number was not seen by all projections in time: " . ($out // $chaos->{last_error})
		  . $chaos->try_sql('chaos', 'SELECT * FROM cqrs.worker_status; SELECT * FROM cqrs.projection_status; SELECT pid, state, query, wait_event FROM pg_stat_activity'))
	  unless defined $out && $out =~ /^t$/m;
	$self->tell(sprintf 'probe: %.2f s', time - $start);
	return;
}

# --------------------------------------------------------------------------
# Tools of faults
# --------------------------------------------------------------------------

sub sql
{
	my ($self, $sql, $database) = @_;
	my $out = $self->{chaos}->try_sql($database || 'chaos', $sql);
	return defined $out ? 'done' : "refused: $self->{chaos}{last_error}";
}

# A session of its own, that ends some time.
sub background
{
	my ($self, $database, $sql) = @_;
	my $node = $self->{chaos}{node};
	my ($in, $out, $err) = ($sql, '', '');

	push @{ $self->{sessions} }, IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr($database), '-f', '-' ], '<', \$in, '>', \$out, '2>', \$err);
	return $sql;
}

sub victim
{
	my ($self, $where, $a) = @_;
	my @pids = split /\n/, $self->{chaos}->try_sql('postgres', "SELECT pid FROM pg_stat_activity WHERE $where ORDER BY backend_start") // '';
	return @pids ? $pids[ int($a * @pids) ] : undef;
}

sub signal
{
	my ($self, $signal, $where, $a) = @_;
	my $pid = $self->victim($where, $a) // return 'nobody there';

	$self->wake_up;
	kill $signal, $pid;
	sleep 0.2;
	$self->{chaos}->wait_for_server;
	return $pid;
}

sub suspend
{
	my ($self, $where, $a, $seconds) = @_;
	my $pid = $self->victim($where, $a) // return 'nobody there';

	kill 'STOP', $pid;
	$self->{suspended}{$pid} = 1;
	$self->later($seconds, sub { kill 'CONT', $pid if delete $self->{suspended}{$pid} });
	return "$pid for $seconds";
}

sub call
{
	my ($self, $function, $where, $a) = @_;
	my $pid = $self->victim($where, $a) // return 'nobody there';
	return "$pid: " . $self->sql("SELECT $function($pid)", 'postgres');
}

# A read table, by the name of its build.
sub table
{
	my ($self, $a, $no_inline) = @_;
	my @names = $no_inline ? qw(fold stmt batch func park) : qw(fold stmt batch func park inlined);
	my $p = $names[ int($a * @names) ];
	my @tables = split / /, $TABLES;
	my $build = $self->{chaos}->try_sql('chaos', "SELECT live_build FROM cqrs.projection WHERE name = '$p'") || 1;
	return qq{"$p\$$build".${p}_} . $tables[ int($a * 1000) % @tables ];
}

sub restart
{
	my ($self, $mode) = @_;
	my $chaos = $self->{chaos};

	$self->wake_up;
	$chaos->{node}->stop($mode, fail_ok => 1);
	$chaos->start_node($chaos->{node});
	return $mode;
}

sub kill_postmaster
{
	my ($self) = @_;
	my $node = $self->{chaos}{node};
	my $pid = $node->{_pid};

	$self->wake_up;
	$node->kill9;
	for (1 .. 100) { last unless kill 0, $pid; sleep 0.1; }
	$self->{chaos}->start_node($node);
	return 'done';
}

# --------------------------------------------------------------------------
# DDL on read tables
# --------------------------------------------------------------------------

sub column
{
	my ($self, $a, $b) = @_;
	my $table = $self->table($a);
	my $done = $self->sql("SET lock_timeout = 2000; ALTER TABLE $table ADD COLUMN extra int DEFAULT 7");

	$self->later(3 * $b, sub { $self->sql("SET lock_timeout = 5000; ALTER TABLE $table DROP COLUMN IF EXISTS extra") });
	return "$table $done";
}

sub index_table
{
	my ($self, $a, $b) = @_;
	my $table = $self->table($a);
	my ($schema) = $table =~ /^(".*")/;
	my $column = $table =~ /source$/ ? 'last' : 'stream';
	my $done = $self->sql("SET lock_timeout = 2000; CREATE INDEX extra_$self->{count} ON $table ($column)");
	my $name = "$schema.extra_$self->{count}";

	$self->later(3 * $b, sub { $self->sql("SET lock_timeout = 5000; DROP INDEX IF EXISTS $name") });
	return "$table $done";
}

# Stops the projection, if it comes upon it.
sub rename_table
{
	my ($self, $a, $b) = @_;
	my $table = $self->table($a);
	my ($schema, $name) = $table =~ /^(".*")\.(.*)/;
	my $done = $self->sql("SET lock_timeout = 2000; ALTER TABLE $table RENAME TO ${name}_away");

	$self->later($b, sub {
		$self->sql("ALTER TABLE IF EXISTS $schema.${name}_away RENAME TO $name");
		$self->resume_all;
	});
	return "$table $done";
}

# --------------------------------------------------------------------------
# Projections, settings, transactions
# --------------------------------------------------------------------------

sub pause_projection
{
	my ($self, $a, $b) = @_;
	my @names = qw(fold stmt batch func park inlined);
	my $name = $names[ int($a * @names) ];
	my $done = $self->sql("SET lock_timeout = 3000; SELECT cqrs_pause('$name')");

	$self->later(2 * $b, sub { $self->resume_all });
	return "$name $done";
}

sub rebuild
{
	my ($self, $a) = @_;
	my @names = qw(fold stmt batch func park);
	my $name = $names[ int($a * @names) ];
	my $chaos = $self->{chaos};

	return 'there is no such function' unless $chaos->try_sql('chaos', q{SELECT count(*) FROM pg_proc WHERE proname = 'cqrs_rebuild'});
	return "$name " . $self->sql("SET lock_timeout = 3000; SELECT cqrs_rebuild('$name')");
}

sub change_settings
{
	my ($self, $a, $b) = @_;
	my @settings = ('cqrs.max_workers = 0', 'cqrs.max_workers = 1', 'cqrs.max_workers = 9', 'cqrs.batch_max_events = 1', 'cqrs.batch_max_events = 7',
		"cqrs.batch_max_bytes = '64kB'", "cqrs.batch_max_time = '1ms'", "statement_timeout = '1ms'", "cqrs.poll_interval = '1ms'", "max_connections = 'x'");
	my $setting = $settings[ int($a * @settings) ];
	my ($name) = $setting =~ /^(\S+)/;
	my $done = $self->sql("ALTER SYSTEM SET $setting", 'postgres');

	$self->sql('SELECT pg_reload_conf()', 'postgres');
	$self->later(3 * $b, sub { $self->sql("ALTER SYSTEM RESET $name", 'postgres'); $self->sql('SELECT pg_reload_conf()', 'postgres') });
	return "$setting $done";
}

sub prepare_elsewhere
{
	my ($self, $a, $b) = @_;
	my $name = "other-$self->{count}";
	my $done = $self->sql("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION '$name'", 'other');

	$self->later(8 * $b, sub { $self->sql("ROLLBACK PREPARED '$name'", 'other') });
	return $done;
}

# --------------------------------------------------------------------------
# The operating system
# --------------------------------------------------------------------------

sub fill_disk
{
	my ($self, $a, $b) = @_;
	my $chaos = $self->{chaos};
	my $full = $a < 0.6 ? 1 : $a < 0.8 ? 2 : 3;
	my $errno = (ENOSPC, EDQUOT, EIO)[ int($b * 3) ];

	$chaos->set_faults($chaos->{clock} // 0, $full, $errno);
	sleep 0.5 + $b;
	$chaos->set_faults($chaos->{clock} // 0, 0, 0);

	# without room for WAL the server may have stopped
	my $up = eval { $chaos->try_sql('chaos', 'SELECT 1', 10) };
	if (!defined $up)
	{
		$self->wake_up;
		eval { $chaos->{node}->stop('immediate', fail_ok => 1) };
		$chaos->start_node($chaos->{node});
	}
	return "what $full, errno $errno" . (defined $up ? '' : ', and the server was down');
}

sub shift_clock
{
	my ($self, $a, $b) = @_;
	my $chaos = $self->{chaos};
	my $seconds = int(($b < 0.3 ? 3600 : $b < 0.7 ? 86400 : 3 * 31536000) * (2 * $a - 1));

	$chaos->{clock} = $seconds;
	$chaos->set_faults($seconds, 0, 0);
	$self->later(4 * $b, sub { $self->reset_clock });
	return "by $seconds seconds";
}

# The postmaster notes by this clock when a process of its own failed, and
# restarts it a second later: years later, if the clock is set back meanwhile.
sub reset_clock
{
	my ($self) = @_;
	my $chaos = $self->{chaos};

	return unless $chaos->{clock};
	for (1 .. 50)
	{
		last if ($chaos->try_sql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs launcher'", 10) // '') eq '1';
		sleep 0.1;
	}
	$chaos->{clock} = 0;
	$chaos->set_faults(0, 0, 0);

	# whoever sleeps until a time by this clock would not wake up for years
	$chaos->try_sql('postgres', "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", 10);
	return;
}

# --------------------------------------------------------------------------
# Databases
# --------------------------------------------------------------------------

sub come_and_go
{
	my ($self, $a) = @_;

	# a process that is stopped does not let a database be dropped, nor should it
	$self->wake_up;
	my $drop = $a < 0.3 ? 'BEGIN; DROP EXTENSION cqrs CASCADE; ROLLBACK; DROP EXTENSION cqrs CASCADE' : 'DROP EXTENSION cqrs CASCADE';

	$self->sql('CREATE DATABASE guest', 'postgres');
	my $done = $self->sql(q{
		CREATE EXTENSION cqrs;
		CREATE SCHEMA g;
		SELECT cqrs_create_projection('p', 'g', 'CREATE TABLE p (stream text PRIMARY KEY, n int)');
		SELECT cqrs_on('p', '*', 'INSERT INTO p VALUES (event.stream, 1) ON CONFLICT (stream) DO UPDATE SET n = p.n + 1');
		SELECT cqrs_start('p');
		SELECT cqrs_append('s', array_fill('T'::text, '{500}'), array_fill('{}'::jsonb, '{500}'));}, 'guest');
	$done .= ', dropping: ' . $self->sql($drop, 'guest');
	$done .= ', database: ' . $self->sql('DROP DATABASE guest', 'postgres');
	if ($done =~ /refused/)
	{
		$self->{chaos}->wait_for_server;
		$self->sql('DROP DATABASE IF EXISTS guest WITH (FORCE)', 'postgres');
	}
	return $done;
}

sub copy_other
{
	my ($self) = @_;

	$self->wake_up;
	return $self->sql('CREATE DATABASE copy TEMPLATE other', 'postgres') . ', ' . $self->sql('DROP DATABASE copy', 'postgres');
}

# Nobody else may be there meanwhile; workers see to that themselves.
sub copy_database
{
	my ($self) = @_;
	my $chaos = $self->{chaos};

	$self->heal_most;
	$self->end_sessions;
	my $done = 'not tried';
	for (1 .. 3)
	{
		# somebody who is there already ends what the last ones have prepared
		my $session = eval { $chaos->{node}->background_psql('chaos', on_error_stop => 0) } or next;
		my $pid = eval { $session->query('SELECT pg_backend_pid()') } || 0;
		$self->sql('ALTER DATABASE chaos ALLOW_CONNECTIONS false', 'postgres');
		$self->sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE $BACKEND AND pid <> $pid", 'postgres');
		eval {
			$session->query(q{SELECT format('%s PREPARED %L', CASE WHEN gid LIKE '%c' THEN 'COMMIT' ELSE 'ROLLBACK' END, gid)
				FROM pg_prepared_xacts WHERE database = 'chaos' \gexec});
			$session->quit;
		};
		$done = $self->sql('CREATE DATABASE copy TEMPLATE chaos', 'postgres');
		$self->sql('ALTER DATABASE chaos ALLOW_CONNECTIONS true', 'postgres');
		last if $done eq 'done';
	}
	return $done if $done ne 'done';
	return $done . $self->check_copy('copy');
}

sub dump_database
{
	my ($self) = @_;
	my $chaos = $self->{chaos};
	my $file = "$chaos->{dir}/dump";

	$self->heal_most;
	return 'pg_dump failed' unless system_log('pg_dump', '-Fc', '-f', $file, $chaos->{node}->connstr('chaos')) == 0;
	$self->sql('CREATE DATABASE copy', 'postgres');
	return $self->problem('a dump cannot be restored')
	  unless system_log('pg_restore', '--exit-on-error', '-j2', '-d', $chaos->{node}->connstr('copy'), $file) == 0;
	return $self->check_copy('copy');
}

# A copy lives: what was not applied is applied, so is what comes new.
sub check_copy
{
	my ($self, $database) = @_;
	my $chaos = $self->{chaos};
	my $seconds = $chaos->drain($database);
	my $faults;

	$self->problem("copy was not drained") unless defined $seconds;
	$chaos->{node}->safe_psql($database, q{SELECT cqrs_emit('copy-' || i % 3, 'E', jsonb_build_object('n', -1000 + i, 'w', -1000)) FROM generate_series(1, 5) i;
		SELECT cqrs_emit('copy-1', 'E', '{"n": -990, "w": -1000}')});
	$self->problem("copy was not drained of new events") unless defined $chaos->drain($database);
	$faults = $chaos->faults_of_database($database);
	$self->problem("copy is wrong: $faults") if $faults;
	my $done = $self->sql("DROP DATABASE $database", 'postgres');
	return sprintf ' and right; %.1f s to drain; dropping it: %s', $seconds // -1, $done;
}

# --------------------------------------------------------------------------
# Another server
# --------------------------------------------------------------------------

# The standby becomes the primary, once.
sub switch_over
{
	my ($self) = @_;
	my $chaos = $self->{chaos};
	my $standby = $chaos->{standby} // return 'there is no standby';

	$self->heal_most;
	$self->wake_up;

	# a primary that is stopped in order waits for a standby, if one is connected
	my $connected;
	for (1 .. 100)
	{
		$connected = ($chaos->try_sql('postgres', q{SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'}) // '') eq '1';
		last if $connected;
		sleep 0.2;
	}
	return 'the standby is not connected' unless $connected;
	$chaos->{old} = $chaos->{node};
	$chaos->{node}->stop('fast');
	my ($end) = (run_command([ 'pg_controldata', $chaos->{node}->data_dir ]))[0] =~ /Latest checkpoint location: *(\S+)/;
	$standby->poll_query_until('postgres', "SELECT pg_last_wal_replay_lsn() > '$end'")
	  or return $self->problem('the standby did not get all');
	$standby->promote;
	$chaos->{node} = $standby;
	$chaos->{faults} .= '.standby';
	delete $chaos->{standby};
	$chaos->wait_for_server;
	return 'done';
}

1;
