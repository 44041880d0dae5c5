# A library and an extension of different versions do not touch each other's
# tables: nothing is done, it is said why, and all goes on after the update.
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
create_database($node, 'd');
create_database($node, 'e');
define_projection($node, $_, 'p') for qw(d e);
emit($node, $_, 'first') for qw(d e);
caught_up_ok($node, $_, 'p', "workers serve $_") for qw(d e);

# As it is after a new package has been installed: the objects are of an older
# version.  The update does nothing but say that they are not.
my $version = $node->safe_psql('d', q{SELECT extversion FROM pg_extension WHERE extname = 'cqrs'});
my ($stage) = $node->safe_psql('d', 'SHOW dynamic_library_path') =~ m{^([^:]*)/lib/postgresql/(?:\d+)/lib:};
my $scripts = $stage ? "$stage/share/postgresql/" . int($node->pg_version) . '/extension' : '';
if ($node->pg_version >= 18 && $scripts && !-d $scripts)
{
	($scripts) = grep { -d } glob("$stage/share/postgresql/*/extension");
}
plan skip_all => 'no place to put an update script' unless $scripts && -w $scripts;
my $script = "$scripts/cqrs--0.0.0--$version.sql";
append_to_file($script, "SELECT 1;\n");
END { unlink $script if $script }

my $offset = -s $node->logfile;
$node->safe_psql('d', q{UPDATE pg_extension SET extversion = '0.0.0' WHERE extname = 'cqrs'});
$node->restart;
$node->wait_for_log(qr/WARNING:  no worker serves database "d".*\n.*DETAIL:  Extension "cqrs" has version "0.0.0" there, the library has version "\Q$version\E"\.\n.*HINT:  Use ALTER EXTENSION cqrs UPDATE/, $offset);
pass('the log says what is wrong');
eventually($node, 'e', q{SELECT database, state FROM cqrs.worker_status WHERE owner IS NULL AND pid IS NULL},
	'd|extension has another version than the library', 'so does the status');
emit($node, 'e', 'second');
caught_up_ok($node, 'e', 'p', 'other databases are served');
is(workers($node, 'd'), '0', 'this one has no worker');

foreach my $call (q{cqrs_emit('a', 'T')}, q{cqrs_wait('1-1-1')}, q{cqrs_send('x')}, q{cqrs_catch_up()}, q{cqrs_pause('p')}, q{cqrs_explain('p')},
	q{cqrs_create_event_type('T')})
{
	my ($status, $out, $err) = $node->psql('d', "SELECT $call");
	like($err, qr/ERROR:  extension "cqrs" of this database has version "0.0.0", its library has version "\Q$version\E"\nHINT:  Use ALTER EXTENSION/, "refused: $call");
}

# In a session that has been refused, too
my $session = $node->background_psql('d', on_error_stop => 0);
my $out = $session->query(q{SELECT cqrs_emit('a', 'T')});
is($out, '', 'a session is refused');
$node->safe_psql('d', 'ALTER EXTENSION cqrs UPDATE');
is($node->safe_psql('d', q{SELECT extversion FROM pg_extension WHERE extname = 'cqrs'}), $version, 'the extension is updated');
is($session->query(q{SELECT cqrs_emit('a', 'T')}), '1', '... the session goes on');
$session->quit;
caught_up_ok($node, 'd', 'p', '... and workers');
is($node->safe_psql('e', q{SELECT count(*) FROM cqrs.worker_status WHERE state LIKE 'extension%'}), '0', 'the status is as before');

# A session notices an update that is newer than its library
$session = $node->background_psql('d', on_error_stop => 0);
is($session->query_safe(q{SELECT cqrs_emit('a', 'T')}), '2', 'a session that uses the extension');
$node->safe_psql('d', q{UPDATE pg_extension SET extversion = '99.0.0' WHERE extname = 'cqrs'; CREATE FUNCTION new_function() RETURNS int LANGUAGE sql AS 'SELECT 1'});
is($session->query(q{SELECT cqrs_emit('a', 'T')}), '', '... is refused when it is updated under it');
$session->quit;

$node->stop;
unlike(slurp_file($node->logfile), qr/TRAP|PANIC|terminated by signal/, 'no crash');
done_testing();
