-- How a run was ended; NULL while nobody has.
ALTER TABLE run ADD COLUMN ended TEXT;
