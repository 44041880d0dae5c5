# Whatever any function is called with, the server lives, and an error is one that
# a user can cause: never of class XX, which is for what cannot happen.
#
# CQRS_FUZZ_CALLS asks for more calls, CQRS_FUZZ_SEED for others.
use strict;
use warnings FATAL => 'all';

use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $calls = $ENV{CQRS_FUZZ_CALLS} || 3000;
my $seed = $ENV{CQRS_FUZZ_SEED} || 1;
my $dir = "$FindBin::RealBin/../fuzz";

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'cqrs'\njit = off\nlog_min_messages = fatal\nlog_min_error_statement = panic");
$node->start;
$node->safe_psql('postgres', slurp_file("$dir/setup.sql"));
my $started = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
my $events = $node->safe_psql('postgres', 'SELECT count(*) FROM cqrs.event');

# All of ours but trigger functions.
my $signatures = $node->backup_dir . '.signatures';
append_to_file($signatures, $node->safe_psql('postgres', q{
	SELECT concat_ws('|', p.prokind, p.pronamespace::regnamespace || '.' || p.proname, (SELECT string_agg(t::regtype::text, '|' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY a (t, n)))
	  FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass JOIN pg_extension x ON x.oid = d.refobjid AND x.extname = 'cqrs'
	 WHERE d.deptype = 'e' AND p.prorettype <> 'trigger'::regtype ORDER BY 1}) . "\n");
my $functions = () = slurp_file($signatures) =~ /^\w\|/mg;
cmp_ok($functions, '>', 40, "$functions functions are called");

# Several connections, so that what one leaves behind does not pile up, with and
# without compiled rules; the last one after a crash would not come up.
my %states;
my $chunk = 2000;
for (my $first = 0; $first < $calls; $first += $chunk)
{
	my $count = $calls - $first < $chunk ? $calls - $first : $chunk;
	my $number = $seed + $first;
	my $sql = $node->backup_dir . ".$number.sql";
	my $err = $node->backup_dir . ".$number.err";

	system_log("'$^X' '$dir/generate.pl' $number $count <'$signatures' >'$sql'") and die 'could not generate calls';
	my $status = system_log("psql -X -q -v VERBOSITY=verbose -v ECHO=errors -d '" . $node->connstr('postgres') . "' <'$sql' >/dev/null 2>'$err'");
	is($status, 0, "calls of seed $number: the connection has held");

	my @lines = split /\n/, slurp_file($err);
	my @bad;
	foreach my $i (0 .. $#lines)
	{
		my ($severity, $state) = $lines[$i] =~ /^(ERROR|FATAL|PANIC):  (\w{5}):/ or next;
		$states{$state}++;
		push @bad, join("\n", @lines[ $i .. ($i + 6 < $#lines ? $i + 6 : $#lines) ]) if $severity ne 'ERROR' || $state =~ /^XX/;
	}
	is(join("\n\n", @bad), '', "calls of seed $number: no error that cannot happen");
	unlink $sql, $err unless @bad || $status;
}

is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $started, 'the server lives');
unlike(slurp_file($node->logfile), qr/was terminated by signal|TRAP:|PANIC/, 'and no process has died');
cmp_ok(scalar(keys %states), '>', 20, 'many kinds of errors were met: ' . join(' ', map { "$_ $states{$_}" } sort keys %states));
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM cqrs.event'), '>=', $events, 'the log is there');
is($node->safe_psql('postgres', q{SELECT cqrs_emit('after-1', 'After')}), '1', 'and takes events');

# Trigger functions of ours, called as what they are not.
foreach my $function ('cqrs.invalidate()', 'cqrs.refuse_change()')
{
	my ($code, $out, $err) = $node->psql('postgres', "SELECT $function");
	like($err, qr/was not called by a trigger/, "$function is for triggers");
}
$node->safe_psql('postgres', q{CREATE TABLE t (a int); CREATE TRIGGER row AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION cqrs.invalidate();
	CREATE TRIGGER statement AFTER UPDATE ON t EXECUTE FUNCTION cqrs.refuse_change(); INSERT INTO t VALUES (1)});
my ($code, $out, $err) = $node->psql('postgres', 'UPDATE t SET a = 2');
isnt($code, 0, 'a trigger function on a table of a user does what it does');

$node->stop;
done_testing();
