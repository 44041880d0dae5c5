# A server under a load whose history is kept, and the question whether what is
# there is what the history says.
package Chaos;
use strict;
use warnings;

use Cwd 'abs_path';
use File::Basename 'dirname';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our $DIR = abs_path(dirname(__FILE__) . '/..');

# How long everything may take to be applied after the last fault, in seconds.
our $DRAIN_SECONDS = $ENV{CQRS_CHAOS_DRAIN} || 60;

# Faults of the operating system, see faults.c.
my $preload = "$DIR/faults.so";

sub can_run { return -x "$DIR/client" && -e $preload; }

# A primary that is running, with roles and database "chaos", and a file that
# switches faults.
sub new
{
	my ($class, $name, $seed) = @_;
	my $self = bless { seed => $seed, clients => [], number => 0 }, $class;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 1);
	$node->append_conf('postgresql.conf', q{
		shared_preload_libraries = 'cqrs'
		wal_level = logical
		max_prepared_transactions = 50
		max_connections = 60
		wal_keep_size = 4GB
		max_worker_processes = 16
		cqrs.max_workers = 4
		# the clock goes back by years: commands of that time would be old ones afterwards
		cqrs.ledger_retention = -1
		cqrs.poll_interval = 1h
		cqrs.retry_min = 10ms
		cqrs.retry_max = 1s
		restart_after_crash = on
		log_min_duration_statement = -1
		log_error_verbosity = default});
	$self->{node} = $node;
	$self->{dir} = $node->basedir;
	$self->{faults} = "$self->{dir}/faults";
	$self->set_faults(0, 0, 0);
	$self->start_node($node);
	$node->safe_psql('postgres', 'CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE DATABASE chaos; CREATE DATABASE other');
	$node->safe_psql('chaos', slurp_file("$DIR/setup.sql"));
	$node->safe_psql('other', 'CREATE TABLE t (n int)');
	return $self;
}

# (seconds to add to the clock, what is full: 1 data, 2 WAL, 3 both, errno of it)
sub set_faults
{
	my ($self, $seconds, $full, $errno) = @_;
	my $new = !-e $self->{faults};

	# in place: the file is mapped by all processes of the server
	open(my $file, $new ? '>' : '+<', $self->{faults}) or die "$self->{faults}: $!";
	syswrite($file, pack('q l l', $seconds, $full, $errno || 0)) == 16 or die "$self->{faults}: $!";
	close $file;
	return;
}

# Tries for a while: what is left of the one before may still be going.
sub start_node
{
	my ($self, $node) = @_;
	local $ENV{LD_PRELOAD} = $preload;
	local $ENV{CQRS_FAULTS} = $self->{faults};

	# a standby is another machine, with its own disk and clock
	if (defined $self->{standby} && $node == $self->{standby})
	{
		$ENV{CQRS_FAULTS} .= '.standby';
		append_to_file($ENV{CQRS_FAULTS}, pack('q l l', 0, 0, 0)) unless -e $ENV{CQRS_FAULTS};
	}

	for (1 .. 60)
	{
		# a postmaster that ended by itself: its module does not notice
		$node->{_pid} = undef if defined $node->{_pid} && !kill 0, $node->{_pid};
		return if $node->start(fail_ok => 1);
		sleep 0.5;
	}
	die 'the server does not start; see ' . $node->logfile;
}

# Where clients connect to: whoever of these is a primary.
sub conninfo
{
	my ($self, $database) = @_;
	my @nodes = grep { defined } @$self{qw(node standby)};
	return join ' ', 'host=' . join(',', map { $_->host } @nodes), 'port=' . join(',', map { $_->port } @nodes),
	  'target_session_attrs=read-write', 'connect_timeout=5', "dbname=$database";
}

# (mode, id or SQL, milliseconds): starts a client, whose output goes into a file.
sub start_client
{
	my ($self, $mode, $what, $ms) = @_;
	my $number = $self->{number}++;
	my $file = "$self->{dir}/client$number";

	if ($mode eq 'loop')
	{
		append_to_file("$file.sql", $what);
		$what = "$file.sql";
	}
	my $handle = IPC::Run::start([ "$DIR/client", $mode, $what, $self->{seed} + $number, $file, $self->conninfo('chaos'), $ms ]);
	push @{ $self->{clients} }, { mode => $mode, handle => $handle, file => $file };
	return $file;
}

# Writers, and readers of all kinds: in the background and in the foreground.
sub start_load
{
	my ($self, $writers) = @_;

	$self->start_client('write', $_, $_ == 1 ? 4000 : 40) for 1 .. $writers;
	$self->start_client('loop', q{
		INSERT INTO chaos.read_event (reader, n, w, position, stream, version)
		SELECT 'few', (data->'n')::bigint, (data->'w')::bigint, position, stream, version FROM cqrs_test.read('few', 1 + (random() * 30)::int)}, 5);
	$self->start_client('loop', q{
		INSERT INTO chaos.read_event (reader, n, w, position, stream, version)
		SELECT 'all', (data->'n')::bigint, (data->'w')::bigint, position, stream, version FROM cqrs_test.read('all')}, 50);
	$self->start_client('loop', q{
		WITH new AS (SELECT e.* FROM cqrs.event e, chaos.naive WHERE e.position > naive.last),
			moved AS (UPDATE chaos.naive SET last = (SELECT max(position) FROM new) WHERE EXISTS (SELECT FROM new))
		INSERT INTO chaos.read_event (reader, n, w, position, stream, version)
		SELECT 'naive', (data->'n')::bigint, (data->'w')::bigint, position, stream, version FROM new}, 5);
	$self->start_client('loop', q{
		DO $$ DECLARE p text := (SELECT name FROM cqrs.projection WHERE mode = 'async' ORDER BY random() LIMIT 1);
		BEGIN
			IF random() < 0.5 THEN
				PERFORM cqrs_catch_up(p, 1 + (random() * 200)::int);
			ELSE
				PERFORM cqrs_retry_parked('park');
			END IF;
			IF random() < 0.3 THEN
				RAISE 'rolled back';
			END IF;
		END $$}, 400);
	$self->{samples} = $self->start_client('loop', $self->{node}->safe_psql('chaos', 'SELECT chaos.sample()'), 50);
	return;
}

# Lets all clients come to an end.
sub stop_load
{
	my ($self) = @_;
	my $good = 1;

	foreach my $client (@{ $self->{clients} })
	{
		$client->{handle}->signal('TERM');
	}
	foreach my $client (@{ $self->{clients} })
	{
		$good &&= $client->{handle}->finish;
	}
	return $good;
}

# Executes SQL on a server that may not be there.  Undefined: it failed.
sub try_sql
{
	my ($self, $database, $sql, $timeout) = @_;
	my ($timed_out, $out, $err) = (0, '', '');
	# who makes trouble, and mends it again, is not stopped by it
	local $ENV{PGOPTIONS} = join ' ', grep { defined } $ENV{PGOPTIONS}, '-c statement_timeout=0';
	my $status = eval {
		$self->{node}->psql($database, $sql, stdout => \$out, stderr => \$err,
			timeout => $timeout || 60, timed_out => \$timed_out, on_error_stop => 1);
	};

	$self->{last_error} = $err || $@;
	return defined $status && $status == 0 && !$timed_out ? $out : undef;
}

# Waits until the server takes queries.
sub wait_for_server
{
	my ($self) = @_;

	for (1 .. 300)
	{
		my $out = $self->try_sql('chaos', 'SELECT 1', 10);
		return 1 if defined $out && $out eq '1';
		sleep 0.1;
	}
	die 'the server does not come back; see ' . $self->{node}->logfile;
}

# Ends prepared transactions as their names say.  Gives how many there were.
sub resolve_prepared
{
	my ($self, $older_than) = @_;
	my $list = $self->try_sql('chaos', q{SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'chaos-%' AND database = 'chaos'
		AND (prepared <= clock_timestamp() - interval '} . ($older_than || 0) . q{ s' OR } . ($older_than || 0) . q{ = 0) ORDER BY gid});
	my @gids = split /\n/, $list // '';

	foreach my $gid (@gids)
	{
		$self->try_sql('chaos', ($gid =~ /c$/ ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$gid'");
	}
	return scalar @gids;
}

# The histories of all writers, as lines to be copied into a table.
sub history
{
	my ($self) = @_;
	my @lines;

	$self->{ill} = [];
	foreach my $client (grep { $_->{mode} eq 'write' } @{ $self->{clients} })
	{
		my (%open, %fate);

		foreach my $line (split /\n/, slurp_file($client->{file}))
		{
			my ($what, $transaction, @event) = split /\t/, $line;
			if ($what eq 'intent' || $what eq 'never') { push @{ $open{$transaction} }, [ $what, @event ]; }
			elsif ($what eq 'ill') { push @{ $self->{ill} }, $event[0]; }
			else { $fate{$transaction} = $what; }
		}
		foreach my $transaction (keys %open)
		{
			$self->{transactions}{ $fate{$transaction} // 'none' }++;
			foreach my $event (@{ $open{$transaction} })
			{
				my ($what, $n, $stream) = @$event;
				my $fate = $what eq 'never' ? 'failed' : $fate{$transaction} // 'none';
				push @lines, "$n\t$stream\t$fate\n";
			}
		}
	}
	return \@lines;
}

# All that is wrong with what the log holds, given the history.
sub faults_of_history
{
	my ($self) = @_;
	my $lines = $self->history;

	$self->{node}->safe_psql('chaos', 'DROP TABLE IF EXISTS chaos.history; CREATE TABLE chaos.history (n bigint, stream text, fate text)');
	my $file = "$self->{dir}/history.tsv";
	unlink $file;
	append_to_file($file, join '', @$lines);
	$self->{node}->safe_psql('chaos', "\\copy chaos.history FROM '$file'");
	return $self->{node}->safe_psql('chaos', q{
		SELECT fault, count(*), min(n) FROM (
			SELECT coalesce(h.n, e.n) AS n, CASE
				WHEN h.n IS NULL THEN 'an event that nobody appended'
				WHEN h.fate = 'ok' AND e.times IS NULL THEN 'an acknowledged event is not there'
				WHEN h.fate = 'failed' AND e.times IS NOT NULL THEN 'an event is there that was rolled back'
				WHEN h.fate = 'none' THEN 'an event of which nothing is known'
				WHEN e.times > 1 THEN 'an event is there twice'
				WHEN e.stream <> h.stream THEN 'an event is in another stream' END AS fault
			  FROM chaos.history h FULL JOIN
				(SELECT (data->'n')::bigint AS n, count(*) AS times, min(stream) AS stream FROM cqrs.event WHERE stream NOT LIKE 'probe%' GROUP BY 1) e USING (n)) x
		 WHERE fault IS NOT NULL GROUP BY fault});
}

# Waits until all projections have come to the end of the log; in seconds, or undefined.
sub drain
{
	my ($self, $database) = @_;
	my $start = time;

	while (time < $start + $DRAIN_SECONDS)
	{
		my $behind = $self->try_sql($database || 'chaos', q{SELECT count(*) FROM cqrs.projection_status WHERE events_behind > 0 OR state <> 'running'});
		return time - $start if defined $behind && $behind eq '0';
		sleep 0.1;
	}
	diag($self->try_sql($database || 'chaos', 'SELECT * FROM cqrs.worker_status; SELECT * FROM cqrs.projection_status'));
	return;
}

# What is wrong in a database in which everything has been applied.
sub faults_of_database
{
	my ($self, $database) = @_;
	return $self->{node}->safe_psql($database, q{
		SELECT * FROM chaos.faults_of_log() UNION ALL SELECT f.* FROM cqrs.projection, LATERAL chaos.faults_of(name) f});
}

1;
