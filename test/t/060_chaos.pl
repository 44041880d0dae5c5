# Writers and readers at work, and a nemesis that kills, stops, locks, fills and
# shifts what it can.  Afterwards everything is what the writers' histories say.
# test/chaos/README.md says how to run it for hours, and how to replay it.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../chaos/lib";
use Chaos;
use Nemesis;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'needs programs that "make -C test/chaos" builds' unless Chaos::can_run();

my $seconds = $ENV{CQRS_CHAOS_SECONDS} || 45;
my $seed = $ENV{CQRS_SEED} || int(rand(1_000_000_000));
diag("CQRS_SEED=$seed CQRS_CHAOS_SECONDS=$seconds");

my $chaos = Chaos->new('main', $seed);
my $only = $ENV{CQRS_CHAOS_FAULTS} ? { map { $_ => 1 } split /,/, $ENV{CQRS_CHAOS_FAULTS} } : undef;
my $nemesis = Nemesis->new($chaos, $seconds, only => $only);

$chaos->{node}->backup('standby');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($chaos->{node}, 'standby', has_streaming => 1);
$chaos->{standby} = $standby;
$chaos->start_node($standby);

$chaos->start_load(8);
$nemesis->run;
my $drained = $chaos->drain;
ok($chaos->stop_load, 'all clients came to an end');
$nemesis->heal_all;
$drained = $chaos->drain;
ok(defined $drained, 'everything was applied soon after the last fault');
$chaos->try_sql('chaos', q{
	INSERT INTO chaos.read_event (reader, n, w, position, stream, version)
	SELECT r, (data->'n')::bigint, (data->'w')::bigint, position, stream, version FROM unnest('{few,all}'::text[]) r, cqrs_test.read(r)});

is($chaos->faults_of_history, '', 'the log holds what was acknowledged, and nothing that was rolled back');
is_deeply($chaos->{ill}, [], 'commands were answered as they should');
is($chaos->faults_of_database('chaos'), '', 'each event is once in each projection, in order; commands had one effect');
foreach my $reader ('few', 'all')
{
	is($chaos->{node}->safe_psql('chaos', "SELECT * FROM chaos.faults_of_reader('$reader')"), '', "reader of the log: $reader");
}
isnt($chaos->{node}->safe_psql('chaos', "SELECT * FROM chaos.faults_of_reader('naive')"), '', 'the naive reader is caught');
like(slurp_file($chaos->{samples}), qr/\Adone \d{2,}\n\z/, 'at no moment did a projection differ from the log up to its cursor');
is_deeply($nemesis->{problems}, [], 'no problem in between');
cmp_ok($chaos->{transactions}{ok} // 0, '>', 5 * $seconds, 'something has happened');

my ($events, $unknown) = split /\|/, $chaos->{node}->safe_psql('chaos', q{SELECT (SELECT count(*) FROM cqrs.event), (SELECT count(*) FROM chaos.history WHERE fate = 'unknown')});
diag(sprintf "%d events, %s; %d faults (%s); %d probes, at most %.1f s; drained in %.1f s", $events,
	join(', ', map { "$_ $chaos->{transactions}{$_}" } sort keys %{ $chaos->{transactions} }),
	eval { my $n = 0; $n += $_ for values %{ $nemesis->{done} }; $n },
	join(', ', map { "$_ $nemesis->{done}{$_}" } sort keys %{ $nemesis->{done} }),
	scalar @{ $nemesis->{probes} }, (sort { $b <=> $a } 0, @{ $nemesis->{probes} })[0], $drained // -1);

$_->stop('fast', fail_ok => 1) for grep { defined } @$chaos{qw(standby node)};
foreach my $node (grep { defined } @$chaos{qw(node standby old)})
{
	my @crashes = grep { !/signal 9/ && !/could not write to|No space left|Disk quota|could not extend|Input\/output/ } slurp_file($node->logfile) =~ /^.*(?:TRAP|PANIC|terminated by signal).*$/mg;
	is_deeply(\@crashes, [], 'no crash but ours: ' . $node->name);
}
done_testing();
