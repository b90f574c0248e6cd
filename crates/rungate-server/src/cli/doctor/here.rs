//! The checks on this machine: nothing is made or changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rungate_core::keyring::Keyring;
use rungate_core::secret::Secret;
use rungate_store::DatabaseUrl;

use super::Finding;
use crate::boot::keys::SEALING_KEY_FILE;

const GROUP_AND_OTHERS: u32 = 0o077;
/// Below it, hardly anything can be kept.
const LEAST_FREE_BYTES: u64 = 256 << 20;

/// Whether the data folder can be used, by this user alone.
pub fn data_folder(path: &Path) -> Finding {
    const CHECK: &str = "data folder";
    let shown = path.display();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Finding::skipped(
                CHECK,
                format!("{shown} is not there yet; the first `rungate serve` makes it"),
            );
        }
        Err(error) => {
            return Finding::failed(CHECK, format!("{shown}: {error}"), "let this user into the folder");
        }
    };
    if !metadata.is_dir() {
        return Finding::failed(CHECK, format!("{shown} is no folder"), "choose another one with --data");
    }
    if rustix::fs::access(
        path,
        rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    )
    .is_err()
    {
        let next = "give it to the user that runs the server: chown -R";
        return Finding::failed(CHECK, format!("{shown} cannot be written by this user"), next);
    }
    if metadata.permissions().mode() & GROUP_AND_OTHERS != 0 {
        let next = format!("chmod 700 {shown}");
        return Finding::warning(CHECK, format!("{shown} can be looked into by other users"), next);
    }
    Finding::ok(CHECK, format!("{shown}, open to this user alone"))
}

/// Whether provider keys can be sealed and opened.
pub fn sealing_key(data: &Path, given: Option<&Secret>) -> Finding {
    const CHECK: &str = "sealing key";
    if let Some(text) = given {
        return match Keyring::parse(text.expose()) {
            Ok(_) => Finding::ok(CHECK, "from RUNGATE_SEALING_KEY"),
            Err(error) => Finding::failed(
                CHECK,
                format!("RUNGATE_SEALING_KEY is not usable: {error}"),
                "set it to the key that the data was sealed with",
            ),
        };
    }
    let path = data.join(SEALING_KEY_FILE);
    let shown = path.display();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let is_used = fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
            return if is_used {
                let next = "put it back, or set RUNGATE_SEALING_KEY; without it stored provider keys cannot be opened";
                Finding::failed(CHECK, format!("{shown} is missing beside data"), next)
            } else {
                Finding::skipped(CHECK, "none yet; the first `rungate serve` makes one")
            };
        }
        Err(error) => {
            return Finding::failed(CHECK, format!("{shown}: {error}"), "let the server's user read it");
        }
    };
    if let Err(error) = Keyring::parse(&text) {
        return Finding::failed(
            CHECK,
            format!("{shown}: {error}"),
            "put the original file back from a backup",
        );
    }
    let is_open =
        fs::metadata(&path).is_ok_and(|metadata| metadata.permissions().mode() & GROUP_AND_OTHERS != 0);
    if is_open {
        let next = format!("chmod 600 {shown}");
        return Finding::warning(CHECK, format!("{shown} can be read by other users"), next);
    }
    Finding::ok(CHECK, format!("{shown}; keep a copy elsewhere"))
}

/// Whether the database can be reached and used.
pub async fn database(url: &DatabaseUrl) -> Finding {
    const CHECK: &str = "database";
    match rungate_store::probe(url).await {
        Ok(()) => Finding::ok(CHECK, format!("{url} answers")),
        Err(error) => Finding::failed(
            CHECK,
            format!("{url}: {error}"),
            "start PostgreSQL, or correct RUNGATE_STORE_URL; docs/postgres.md says what it needs",
        ),
    }
}

/// Whether there is room for what will be kept.
pub fn disk_space(data: &Path, journal_bytes: u64) -> Finding {
    const CHECK: &str = "disk space";
    // A folder that is not there yet will be on the disk of the nearest one that is.
    let above = data.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let Some(found) = above.clone().find_map(|path| rustix::fs::statvfs(path).ok()) else {
        return Finding::skipped(CHECK, format!("{} cannot be looked at", data.display()));
    };
    judge_space(CHECK, found.f_bavail.saturating_mul(found.f_frsize), journal_bytes)
}

/// Whether anything was found damaged and put aside.
pub fn damage(data: &Path) -> Finding {
    const CHECK: &str = "damage";
    let mut aside: Vec<String> = ["journal", "log"].iter().flat_map(|name| put_aside(data, name)).collect();
    if aside.is_empty() {
        return Finding::ok(CHECK, "nothing was put aside");
    }
    aside.sort_unstable();
    let next =
        "the server's log says what each was; check the disk, keep them or remove them (docs/durability.md)";
    Finding::warning(CHECK, format!("put aside: {}", aside.join(", ")), next)
}

/// Files of a folder of the data folder that hold what could not be read.
fn put_aside(data: &Path, folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(data.join(folder)) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_aside = |name: &String| name.starts_with("damaged-") || name.contains(".db.damaged");
    names.filter(is_aside).map(|name| format!("{folder}/{name}")).collect()
}

fn judge_space(check: &'static str, free: u64, journal_bytes: u64) -> Finding {
    let detail = format!("{} free", bytes(free));
    if free < LEAST_FREE_BYTES {
        return Finding::failed(
            check,
            detail,
            "make room, or move the data folder to another disk with --data",
        );
    }
    if free < journal_bytes.saturating_add(LEAST_FREE_BYTES) {
        let next = format!(
            "the journal alone may grow to {}: make room, or lower journal.max_bytes",
            bytes(journal_bytes)
        );
        return Finding::warning(check, detail, next);
    }
    Finding::ok(check, detail)
}

fn bytes(count: u64) -> String {
    let (unit, name) = if count >= 10 << 30 { (1 << 30, "GiB") } else { (1 << 20, "MiB") };
    format!("{} {name}", count / unit)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::super::State;
    use super::*;

    fn folder(mode: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
        dir
    }

    #[test]
    fn what_was_put_aside_is_named() {
        let dir = folder(0o700);
        assert_eq!(damage(dir.path()).state, State::Ok);
        for path in
            ["journal/damaged-00000000000000000001-44", "log/rows-2026-11-23.db.damaged", "log/views.db"]
        {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = damage(dir.path());
        let named = "put aside: journal/damaged-00000000000000000001-44, log/rows-2026-11-23.db.damaged";
        assert_eq!((found.state, found.detail.as_str()), (State::Warning, named));
    }

    #[test]
    fn folders_are_private_open_absent_or_none() {
        let dir = folder(0o700);
        assert_eq!(data_folder(dir.path()).state, State::Ok);
        let open = data_folder(folder(0o755).path());
        assert!(open.state == State::Skipped || open.state == State::Warning);
        let kept = folder(0o755);
        let open = data_folder(kept.path());
        assert_eq!((open.state, open.next.unwrap().starts_with("chmod 700")), (State::Warning, true));
        assert_eq!(data_folder(&dir.path().join("none")).state, State::Skipped);
        fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!(data_folder(&dir.path().join("file")).state, State::Failed);
    }

    #[test]
    fn a_sealing_key_is_there_missing_or_damaged() {
        let dir = folder(0o700);
        assert_eq!(sealing_key(dir.path(), None).state, State::Skipped);
        fs::write(dir.path().join("data"), "").unwrap();
        assert_eq!(sealing_key(dir.path(), None).state, State::Failed);
        let key = Secret::new("07".repeat(32));
        let path = dir.path().join(SEALING_KEY_FILE);
        crate::boot::folder::write_private(&path, key.expose()).unwrap();
        assert_eq!(sealing_key(dir.path(), None).state, State::Ok);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(sealing_key(dir.path(), None).state, State::Warning);
        fs::write(&path, "short").unwrap();
        let damaged = sealing_key(dir.path(), None);
        assert!(damaged.state == State::Failed && !damaged.detail.contains("short"));
        assert_eq!(sealing_key(dir.path(), Some(&key)).state, State::Ok);
        assert_eq!(sealing_key(dir.path(), Some(&Secret::new("x".to_owned()))).state, State::Failed);
    }

    #[test]
    fn space_is_judged_by_what_may_be_kept() {
        assert_eq!(judge_space("x", 100 << 30, 4 << 30).state, State::Ok);
        assert_eq!(judge_space("x", 4 << 30, 4 << 30).state, State::Warning);
        assert_eq!(judge_space("x", 1 << 20, 4 << 30).state, State::Failed);
        assert_ne!(disk_space(Path::new("./is/not/there"), 1).state, State::Skipped);
    }
}
