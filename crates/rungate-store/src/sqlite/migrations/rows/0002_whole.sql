-- Up to where everything was applied, in every file, when this one was written last. It is by this that a lost or older
-- `views.db` is noticed.
ALTER TABLE applied ADD COLUMN whole INTEGER NOT NULL DEFAULT 0;
