-- What the append benchmark compares with: a table with the same columns that
-- somebody writes to by hand, and the scheme of a message store in PL/pgSQL that
-- orders writers by an advisory lock on the category.
CREATE SEQUENCE plain_position;
CREATE TABLE plain_event (
	position bigint PRIMARY KEY,
	xid xid8 NOT NULL,
	stream text NOT NULL,
	category text NOT NULL,
	version bigint NOT NULL,
	type text NOT NULL,
	schema_version integer NOT NULL,
	data jsonb NOT NULL,
	metadata jsonb,
	command_id uuid,
	recorded_at timestamp with time zone NOT NULL,
	UNIQUE (stream, version)
);

CREATE TABLE message (
	global_position bigserial PRIMARY KEY,
	id uuid NOT NULL DEFAULT gen_random_uuid(),
	stream_name text NOT NULL,
	type text NOT NULL,
	position bigint NOT NULL,
	data jsonb,
	metadata jsonb,
	time timestamp NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX ON message (id);
CREATE UNIQUE INDEX ON message (stream_name, position);
CREATE INDEX ON message (split_part(stream_name, '-', 1), global_position);

CREATE FUNCTION write_message(to_stream text, message_type text, message_data jsonb, expected bigint DEFAULT NULL)
	RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	last bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtextextended(split_part(to_stream, '-', 1), 0));
	SELECT max(position) INTO last FROM message WHERE stream_name = to_stream;
	last := coalesce(last, -1);
	IF expected IS NOT NULL AND expected <> last THEN
		RAISE EXCEPTION 'Wrong expected version: % (Stream: %, Stream Version: %)', expected, to_stream, last;
	END IF;
	INSERT INTO message (stream_name, position, type, data) VALUES (to_stream, last + 1, message_type, message_data);
	RETURN last + 1;
END $$;
