//! What the log shows: requests, runs, sessions.

mod analytics;
mod filters;
mod inputs;
mod made;
mod requests;
mod rollups;
mod runs;
