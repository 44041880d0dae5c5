-- The reader of the log, in one session.
SELECT cqrs_test.create_cursor('all');
SELECT * FROM fails($$SELECT cqrs_test.create_cursor('all')$$);
SELECT * FROM fails($$SELECT cqrs_test.count('none')$$);

-- It delivers the whole log once, in position order, in pieces of any size.
CREATE TABLE got (n serial, position bigint);
INSERT INTO got (position) SELECT position FROM cqrs_test.read('all', 7);
INSERT INTO got (position) SELECT position FROM cqrs_test.read('all', 1);
SELECT cqrs_test.rewind('all', 100);
INSERT INTO got (position) SELECT position FROM cqrs_test.read('all', 20000);
INSERT INTO got (position) SELECT position FROM cqrs_test.read('all');
SELECT cqrs_test.count('all');
SELECT (SELECT array_agg(position ORDER BY n) FROM got) =
	(SELECT array_agg(position ORDER BY position) FROM cqrs.event) AS whole_log_in_order;

-- What a rollback undoes is delivered again.
SELECT cqrs_emit('read-1', 'A');
BEGIN;
SELECT count(*) FROM cqrs_test.read('all');
ROLLBACK;
SELECT stream, type FROM cqrs_test.read('all');

-- A reader sees its own transaction's events when it wants to, each once.
BEGIN;
SELECT cqrs_emit('read-1', 'B');
SELECT cqrs_test.count('all');
SELECT version, type FROM cqrs_test.read('all', with_own => true);
SELECT cqrs_emit('read-1', 'C'), cqrs_emit('read-1', 'D');
SELECT version, type FROM cqrs_test.read('all', 1, with_own => true);
SAVEPOINT s;
SELECT version, type FROM cqrs_test.read('all', with_own => true);
ROLLBACK TO s;
SELECT version, type FROM cqrs_test.read('all', with_own => true);
SELECT cqrs_emit('read-1', 'E');
COMMIT;
SELECT version, type FROM cqrs_test.read('all', with_own => true);
SELECT cqrs_test.count('all');

-- Prepared transactions: their events come after COMMIT PREPARED, and hold up
-- nobody's meanwhile.
BEGIN;
SELECT cqrs_emit('prepared-1', 'A');
PREPARE TRANSACTION 'cqrs p1';
BEGIN;
SELECT cqrs_emit('prepared-2', 'A');
PREPARE TRANSACTION 'cqrs p2';
SELECT cqrs_emit('read-1', 'F');
SELECT stream, type FROM cqrs_test.read('all');
SELECT cqrs_emit('read-1', 'G');
SELECT stream, type FROM cqrs_test.read('all');
COMMIT PREPARED 'cqrs p1';
ROLLBACK PREPARED 'cqrs p2';
SELECT cqrs_emit('read-1', 'H');
SELECT stream, type FROM cqrs_test.read('all');
SELECT cqrs_test.count('all');

-- Memory does not depend on how much there is to read: a long log, and a late
-- transaction with many events.
SELECT cqrs_test.create_cursor('flat');
SELECT cqrs_test.memory('flat') < 200 * 1024 AS little;
BEGIN;
SELECT cqrs_append('flat-1', array_agg('T'::text), array_agg(jsonb '1')) FROM generate_series(1, 20000);
PREPARE TRANSACTION 'cqrs flat';
SELECT cqrs_append('flat-2', array_agg('T'::text), array_agg(jsonb '1')) FROM generate_series(1, 20000);
SELECT cqrs_test.memory('flat') < 200 * 1024 AS little;
COMMIT PREPARED 'cqrs flat';
SELECT cqrs_test.memory('flat') < 200 * 1024 AS little;
SELECT cqrs_test.count('flat'), cqrs_test.drop_cursor('flat');

-- A cursor that has gone
SELECT cqrs_test.drop_cursor('all'), cqrs_test.drop_cursor('all');
BEGIN READ ONLY;
SELECT * FROM fails($$SELECT cqrs_test.count('all')$$);
COMMIT;
DROP TABLE got;
