//! Precedence, refusals and the example file.

use super::*;

fn file(text: &str) -> (tempfile::TempDir, Option<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rungate.toml");
    std::fs::write(&path, text).unwrap();
    (dir, Some(path))
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::from_variables(
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

fn refusal_of(text: &str) -> String {
    let (dir, file) = file(text);
    let error = Config::load(&Sources { file, ..Sources::default() }).unwrap_err().to_string();
    error.replace(&dir.path().join("rungate.toml").display().to_string(), "FILE")
}

#[test]
fn flags_win_over_the_environment_which_wins_over_the_file() {
    let (_dir, file) = file(
        "[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 5\n[retention]\nrow_days = 10\nbody_days = 3\n",
    );
    let sources = Sources {
        file,
        environment: environment(&[
            ("RUNGATE_SERVER_LISTEN", "127.0.0.1:2"),
            ("RUNGATE_SERVER_MAX_CONNECTIONS", "6"),
            ("RUNGATE_EGRESS_ALLOW", "127.0.0.0/8,gpu.internal"),
            ("RUNGATE_STORE_DATA", ""),
        ]),
        flags: vec![("server", "listen", "127.0.0.1:3".to_owned())],
    };
    let Loaded { config, warnings } = Config::load(&sources).unwrap();
    assert_eq!(config.server.listen.port(), 3);
    assert_eq!(config.server.max_connections.get(), 6);
    assert_eq!(config.retention.row_days.get(), 10);
    assert_eq!(config.egress.allow.len(), 2);
    assert_eq!(config.store.data, PathBuf::from("./rungate-data"));
    assert_eq!(warnings, [""; 0]);
}

#[test]
fn every_key_has_a_variable() {
    let mut config = Config::default();
    for (section, keys) in config.sections_mut() {
        for key in keys.keys() {
            let name = variable(section, key.name);
            let sources = Sources { environment: environment(&[(&name, "\u{0}")]), ..Sources::default() };
            // No key but a path or a secret allows this text: the error shows that the variable reached its key.
            match Config::load(&sources) {
                Err(ConfigError::Value { key: named, .. }) => {
                    assert_eq!(named, format!("{section}.{}", key.name));
                }
                Err(ConfigError::Contradiction(_) | ConfigError::Unreadable { .. }) | Ok(_) => {
                    assert!(
                        ["data", "tls_cert", "tls_key", "token", "token_file"].contains(&key.name),
                        "{name}"
                    );
                }
                Err(other) => panic!("{name}: {other}"),
            }
        }
    }
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    assert_eq!(
        refusal_of("[server]\nlisen = \"127.0.0.1:1\"\n"),
        "FILE: unknown key `server.lisen`; did you mean `server.listen`?"
    );
    assert_eq!(refusal_of("[servr]\n"), "FILE: unknown key `servr`; did you mean `server`?");
    assert_eq!(refusal_of("[payments]\nfacilitator = 1\n"), "FILE: unknown key `payments.facilitator`");
    assert_eq!(refusal_of("listen = 1\n"), "FILE: unknown key `listen`");
}

#[test]
fn an_error_names_key_value_and_what_is_allowed() {
    assert_eq!(
        refusal_of("[retention]\nrow_days = 0\n"),
        "FILE: `retention.row_days` is 0; allowed is a whole number from 1 to 36500"
    );
    assert_eq!(
        refusal_of("[journal]\ndurability = \"ram\"\n"),
        "FILE: `journal.durability` is \"ram\"; allowed is process, disk"
    );
    assert_eq!(
        refusal_of("[server]\ntls_cert = \"a.pem\"\n"),
        "`server.tls_cert` and `server.tls_key` must be set together"
    );
    // Not the line itself: it may hold a secret.
    let syntax = refusal_of("[metrics]\ntoken = \"s3cret\n");
    assert!(syntax.starts_with("FILE: line 2: ") && !syntax.contains("s3cret"), "{syntax}");
    let sources =
        Sources { environment: environment(&[("RUNGATE_LOG_FORMAT", "xml")]), ..Sources::default() };
    assert_eq!(
        Config::load(&sources).unwrap_err().to_string(),
        "environment variable RUNGATE_LOG_FORMAT: `log.format` is \"xml\"; allowed is auto, text, json"
    );
}

#[test]
fn variables_that_mean_nothing_are_warned_about() {
    let sources = Sources {
        environment: environment(&[
            ("RUNGATE_SERVER_LISTN", "x"),
            ("RUNGATE_OWNER_TOKEN", "x"),
            ("RUNGATE_TOKEN", "x"),
            ("PATH", "x"),
        ]),
        ..Sources::default()
    };
    assert_eq!(
        Config::load(&sources).unwrap().warnings,
        ["environment variable RUNGATE_SERVER_LISTN means nothing; did you mean RUNGATE_SERVER_LISTEN?"]
    );
}

#[test]
fn secrets_come_from_files_too_and_never_print() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "s3cret-token\n").unwrap();
    let path = path.display().to_string();
    let environment = environment(&[
        ("RUNGATE_METRICS_TOKEN_FILE", &path),
        ("RUNGATE_OWNER_TOKEN_FILE", &path),
        ("RUNGATE_SEALING_KEY", "s3cret-key"),
    ]);
    let credentials = environment.credentials().unwrap();
    assert_eq!(credentials.owner_token.as_ref().unwrap().expose(), "s3cret-token");
    let config = Config::load(&Sources { environment, ..Sources::default() }).unwrap().config;
    assert_eq!(config.metrics.token.as_ref().unwrap().expose(), "s3cret-token");
    assert!(!format!("{config:?} {credentials:?}").contains("s3cret"));

    let (_dir, file) = file("[metrics]\ntoken = 12345\n");
    let error = Config::load(&Sources { file, ..Sources::default() }).unwrap_err().to_string();
    assert!(error.contains("[secret]") && !error.contains("12345"), "{error}");
}

#[test]
fn the_committed_example_is_what_the_definitions_say() {
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config.example.toml"));
    assert!(committed.unwrap() == example(), "run `rungate config example > config.example.toml`");
}

#[test]
fn the_example_uncommented_is_the_default() {
    let assignments = example()
        .lines()
        .filter_map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => {
                Some(rest.to_owned())
            }
            Some(_) => None,
            None => Some(line.to_owned()),
        })
        .filter(|line| !line.starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n");
    let (_dir, file) = file(&assignments);
    let loaded = Config::load(&Sources { file, ..Sources::default() }).unwrap().config;
    assert_eq!(format!("{loaded:?}"), format!("{:?}", Config::default()));
    assert!(assignments.contains("listen = \"127.0.0.1:8787\""));
}

#[test]
fn the_address_of_a_database_is_checked_and_its_password_never_shown() {
    let load = |address: &str| {
        let environment = environment(&[("RUNGATE_STORE_URL", address)]);
        Config::load(&Sources { environment, ..Sources::default() })
    };
    for bad in
        ["mysql://u:hunter2@h/d", "postgres://u:hunter2@h:port/d", "postgres://u:hunter2@h/d?sslmode=maybe"]
    {
        let error = load(bad).unwrap_err().to_string();
        assert!(
            error.contains("RUNGATE_STORE_URL: `store.url` is [secret]; allowed is postgres://"),
            "{error}"
        );
        assert!(!error.contains("ter2"), "{error}");
    }
    let loaded = load("postgres://u:hunter2@h/d").unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"));
    let mut config = loaded.config;
    let shown: Vec<_> = config.sections_mut().iter().flat_map(|(_, section)| section.keys()).collect();
    let url = shown.iter().find(|key| key.name == "url").unwrap();
    assert_eq!(url.value.as_deref(), Some("\"postgres://u@h:5432/d\""));
}
