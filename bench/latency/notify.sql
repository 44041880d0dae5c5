\set n random(1, 100)
SELECT cqrs_emit('counter-' || :n, 'Counted'), pg_notify('events', '');
