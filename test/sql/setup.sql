-- What all the other tests need.
CREATE EXTENSION cqrs;
CREATE SCHEMA cqrs_test;
CREATE EXTENSION cqrs_test;

-- Runs a statement and shows what a client can see of its error.
CREATE FUNCTION public.fails(statement text)
	RETURNS TABLE (state text, message text, detail text, hint text)
	LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	message := 'no error';
	RETURN NEXT;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN NEXT;
END $$;
