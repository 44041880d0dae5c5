\set n random(1, 100)
SELECT cqrs_emit('counter-' || :n, 'Counted');
SELECT cqrs_wait(projections => '{counts}');
