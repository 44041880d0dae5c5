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
-- attacker's has gained something; what is rolled back is counted in a sequence.
CREATE TABLE public.song (place text, who name, is_superuser boolean);
GRANT INSERT, SELECT ON public.song TO PUBLIC;
CREATE SEQUENCE public.song_of_others OWNED BY public.song.place;
GRANT USAGE ON SEQUENCE public.song_of_others TO PUBLIC;
CREATE FUNCTION public.sing(place text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO public.song
	SELECT place, rolname, rolsuper FROM pg_roles WHERE rolname = current_user;
	IF current_user <> 'regress_cqrs_mallory' THEN
		PERFORM nextval('public.song_of_others');
	END IF;
	RETURN true;
END $$;
CREATE VIEW public.canary AS
	SELECT DISTINCT place, who, is_superuser FROM public.song
	 WHERE is_superuser OR who <> 'regress_cqrs_mallory'
	UNION ALL
	SELECT 'rolled back', NULL, NULL FROM public.song_of_others
	 WHERE is_called AND NOT EXISTS (SELECT FROM public.song WHERE is_superuser OR who <> 'regress_cqrs_mallory');
GRANT SELECT ON public.canary TO PUBLIC;
