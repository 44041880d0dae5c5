# Timeouts, limits and defaults that an administrator sets for a server, a database
# or a role: workers are not governed by them, and say so when they cannot work.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

my $node = new_node('main', "max_connections = 20\nsuperuser_reserved_connections = 3\ncqrs.retry_min = 10ms\n");
$node->start;
create_database($node, 'd');
$node->safe_psql('d', q{
	CREATE ROLE alice LOGIN;
	GRANT USAGE, CREATE ON SCHEMA shop TO alice;
	SELECT cqrs_grant('alice', 'define')});

# Everything as unpleasant as it may be set
my @settings = (
	"statement_timeout = '1ms'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '1ms'", "idle_session_timeout = '1ms'",
	'default_transaction_read_only = on', "default_transaction_isolation = 'serializable'", "session_replication_role = 'replica'",
	"search_path = 'nowhere'", "client_min_messages = 'error'", "work_mem = '64kB'", "DateStyle = 'SQL, DMY'", "TimeZone = 'Asia/Tokyo'",
	"extra_float_digits = 0", "bytea_output = 'escape'", 'row_security = off', "xmloption = 'document'", 'quote_all_identifiers = on');
push @settings, "transaction_timeout = '1ms'" if $node->pg_version >= 17;
define_projection($node, 'd', 'p', 'alice');
foreach my $where ('DATABASE d', 'ROLE alice', 'ROLE alice IN DATABASE d')
{
	$node->safe_psql('postgres', "ALTER $where SET $_") for @settings;
}
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = $$cqrs worker$$');

# a session of our own, without all that
$ENV{PGOPTIONS} = join ' ', map { "-c $_=0" } qw(statement_timeout lock_timeout idle_in_transaction_session_timeout idle_session_timeout),
	$node->pg_version >= 17 ? 'transaction_timeout' : ();
$ENV{PGOPTIONS} .= ' -c default_transaction_read_only=off -c default_transaction_isolation=read\\ committed -c session_replication_role=origin';
$node->safe_psql('d', q{SELECT cqrs_append('s' || i % 50, array_fill('T'::text, '{100}'), array_fill('{}'::jsonb, '{100}')) FROM generate_series(1, 100) i});
caught_up_ok($node, 'd', 'p', 'settings of database and role do not reach workers');

my $lock = $node->background_psql('d', on_error_stop => 0);
$lock->query_safe(q{BEGIN; LOCK TABLE "p$1".p_counts});
emit($node, 'd', 'locked');
eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND wait_event_type = 'Lock' AND now() - query_start > '1s'},
	'1', 'a worker waits for a lock as long as it takes');
is($node->safe_psql('d', q{SELECT blocked_by_pid IS NOT NULL FROM cqrs.projection_status}), 't', '... and it is said for whom');
is($node->safe_psql('d', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'cqrs %' AND state LIKE 'idle in%'}), '0', '... no process of ours is idle in a transaction');
$lock->query_safe('COMMIT');
$lock->quit;
caught_up_ok($node, 'd', 'p', '... and then goes on');
is($node->safe_psql('d', q{SELECT last_error FROM cqrs.projection_status}), '', 'there was no error');
foreach my $where ('DATABASE d', 'ROLE alice', 'ROLE alice IN DATABASE d')
{
	$node->safe_psql('postgres', "ALTER $where RESET ALL");
}
delete $ENV{PGOPTIONS};

# The same for the whole server
$node->append_conf('postgresql.conf', "statement_timeout = '1ms'\nlock_timeout = '1ms'\nidle_in_transaction_session_timeout = '1ms'\ndefault_transaction_read_only = on\n");
$node->restart;
$ENV{PGOPTIONS} = '-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off';
$node->safe_psql('d', q{SELECT cqrs_append('s' || i % 50, array_fill('T'::text, '{100}'), array_fill('{}'::jsonb, '{100}')) FROM generate_series(1, 100) i});
caught_up_ok($node, 'd', 'p', 'nor do settings of the server');
delete $ENV{PGOPTIONS};
$node->append_conf('postgresql.conf', "statement_timeout = 0\nlock_timeout = 0\nidle_in_transaction_session_timeout = 0\ndefault_transaction_read_only = off\n");
$node->reload;

# A client's own timeout ends its waiting, and nothing else
$lock = $node->background_psql('d', on_error_stop => 0);
$lock->query_safe(q{BEGIN; LOCK TABLE "p$1".p_counts});
my ($status, $out, $err) = $node->psql('d', q{SELECT cqrs_emit('x', 'T'); SET statement_timeout = '300ms'; SELECT cqrs_wait(timeout => '1h')});
$lock->query_safe('COMMIT');
$lock->quit;
like($err, qr/canceling statement due to statement timeout/, 'waiting is ended by statement_timeout');
caught_up_ok($node, 'd', 'p', '... and workers go on');

# No connection to be had: workers do not need one of those
my @sessions = map { $node->background_psql(q{d}) } 1 .. 19;
emit($node, 'd', 'crowded');
caught_up_ok($node, 'd', 'p', 'all connections are taken');
$_->quit for @sessions;

# Limits of database and role
$node->safe_psql('postgres', 'ALTER DATABASE d CONNECTION LIMIT 0; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = $$cqrs worker$$');
emit($node, 'd', 'limit');
caught_up_ok($node, 'd', 'p', 'the connection limit of the database is none for workers');
$node->safe_psql('postgres', 'ALTER DATABASE d CONNECTION LIMIT -1; ALTER ROLE alice CONNECTION LIMIT 0; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = $$cqrs worker$$');
emit($node, 'd', 'limit');
caught_up_ok($node, 'd', 'p', 'nor is that of the role');

# The owner loses LOGIN in the middle of a batch: that one is finished, and until
# there is LOGIN again there are no others, before 17
$node->safe_psql('postgres', 'ALTER ROLE alice CONNECTION LIMIT -1');
$lock = $node->background_psql('d', on_error_stop => 0);
$lock->query_safe(q{BEGIN; LOCK TABLE "p$1".p_counts});
emit($node, 'd', 'login');
eventually($node, 'd', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'cqrs worker' AND wait_event_type = 'Lock'}, '1', 'a worker is in the middle of a batch');
$node->safe_psql('postgres', 'ALTER ROLE alice NOLOGIN');
$lock->query_safe('COMMIT');
$lock->quit;
caught_up_ok($node, 'd', 'p', 'an owner that may not log in any more: the batch is finished');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = $$cqrs worker$$');
emit($node, 'd', 'login');
if ($node->pg_version < 17)
{
	eventually($node, 'd', q{SELECT worker FROM cqrs.projection_status}, 'owner may not log in', '... then it is said why nothing is applied');
	is($node->safe_psql('d', q{SELECT state, events_parked FROM cqrs.projection_status}), 'running|0', '... and nothing is stopped or parked');
	$node->safe_psql('postgres', 'ALTER ROLE alice LOGIN');
}
caught_up_ok($node, 'd', 'p', '... and all is applied by who may be connected');

# Settings that cannot be: the old ones stay
my $offset = -s $node->logfile;
$node->append_conf('postgresql.conf', "cqrs.max_workers = lots\ncqrs.batch_max_events = -1\n");
$node->reload;
$node->wait_for_log(qr/invalid value for parameter "cqrs.max_workers": "lots"/, $offset);
emit($node, 'd', 'reload');
caught_up_ok($node, 'd', 'p', 'after a reload with nonsense');
$node->stop;
done_testing();
