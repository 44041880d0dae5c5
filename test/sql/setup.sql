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

-- Attackers make their code sing.  Whoever sings under another name than the
-- attacker's has gained something.
CREATE TABLE public.song (place text, who name, is_superuser boolean);
GRANT INSERT, SELECT ON public.song TO PUBLIC;
CREATE FUNCTION public.sing(place text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO public.song
	SELECT place, rolname, rolsuper FROM pg_roles WHERE rolname = current_user;
	RETURN true;
END $$;
CREATE VIEW public.canary AS
	SELECT DISTINCT place, who, is_superuser FROM public.song
	 WHERE is_superuser OR who NOT LIKE 'regress\_cqrs\_mallory';
GRANT SELECT ON public.canary TO PUBLIC;
