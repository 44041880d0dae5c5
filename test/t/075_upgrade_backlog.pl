# pg_upgrade in the middle of a backlog: each event takes effect once, parked
# events stay parked, and workers go on in the new cluster.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../lib";

use Cwd qw(getcwd);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Workers;

# From 18 on, pg_upgrade looks for libraries in the directory of the server only, and
# not where the settings of the tests point to; 074_pg_upgrade.pl upgrades to 18.
my $lib = `pg_config --pkglibdir`;
chomp $lib;
plan skip_all => 'the library is not in the directory of the server'
  if $lib =~ m{/(\d+)/lib$} && $1 >= 18 && !-e "$lib/cqrs.so";

my $old = new_node('old');
$old->start;
create_database($old, 'd');
define_projection($old, 'd', $_) for qw(p q);
$old->safe_psql('d', q{
	CREATE FUNCTION work(p jsonb) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM cqrs_emit('sent-1', 'T'); RETURN 'done'; END $$;
	SELECT cqrs_create_command('Work', 'work(jsonb)');
	SELECT cqrs_send('Work', command_id => '00000000-0000-4000-8000-000000000001');
	CREATE ROLE app; SELECT cqrs_grant('app', 'send')});
emit($old, 'd', 'before');
caught_up_ok($old, 'd', $_, "$_ has followed") for qw(p q);

# One projection has a backlog and another one a parked event.
$old->safe_psql('d', q{SELECT cqrs_pause('p')});
$old->safe_psql('d', q{ALTER TABLE "q$1".q_counts ADD CHECK (stream <> 'bad')});
emit($old, 'd', $_) for qw(bad backlog backlog);
ok($old->poll_query_until('d', q{SELECT count(*) FROM cqrs.parked_event}, '1'), 'an event is parked');
my $token = $old->safe_psql('d', q{SELECT cqrs_emit('backlog', 'T'); SELECT cqrs_token()}) =~ s/.*\n//sr;
$old->stop;

# Copied, and then taken over: with --link the old cluster is of no use any more.
foreach my $mode ('copy', '--link')
{
	my $new = new_node($mode eq '--link' ? 'linked' : 'copied');
	my $bin = $old->config_data('--bindir');
	my $home = getcwd();
	chdir $PostgreSQL::Test::Utils::tmp_check or die "could not change directory: $!\n";
	command_ok(
		[
			'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bin, '-B', $bin,
			'-s', $new->host, '-p', $old->port, '-P', $new->port, $mode eq '--link' ? $mode : ()
		],
		"pg_upgrade: $mode");
	chdir $home or die "could not change directory: $!\n";
	$new->start;

	is($new->safe_psql('d', 'SELECT count(*) FROM cqrs.parked_event'), '1', 'the parked event is there');
	is($new->safe_psql('d', q{SELECT state FROM cqrs.projection WHERE name = 'p'}), 'paused', 'the paused projection is paused');
	$new->safe_psql('d', q{SELECT cqrs_resume('p')});
	emit($new, 'd', 'after');
	ok($new->poll_query_until('d', q{SELECT sum(n) FROM shop.p_counts}, '7'), 'the backlog and a new event');
	is($new->safe_psql('d', q{SELECT string_agg(stream || n, ' ' ORDER BY stream COLLATE "C") FROM shop.p_counts}),
		'after1 backlog3 bad1 before1 sent-11', 'each event once');
	$new->safe_psql('d', q{ALTER TABLE "q$1".q_counts DROP CONSTRAINT q_counts_stream_check; SELECT cqrs_retry_parked('q')});
	caught_up_ok($new, 'd', $_, "$_ holds what the log says") for qw(p q);

	is($new->safe_psql('d', q{SELECT cqrs_send('Work', command_id => '00000000-0000-4000-8000-000000000001')}), 'done',
		'an old command is remembered');
	is($new->safe_psql('d', q{SELECT count(*) FROM cqrs_stream('sent-1')}), '1', '... and not executed again');
	is($new->safe_psql('d', q{SELECT has_function_privilege('app', 'cqrs_actor()', 'EXECUTE')}), 't', 'rights are kept');
	is($new->safe_psql('d', q{SELECT * FROM cqrs_check('p')}), '', 'the check finds nothing');
	is($new->safe_psql('d', "SELECT cqrs_wait('$token')"), 't', 'a token of the old cluster is understood');
	$new->stop;
}

done_testing();
