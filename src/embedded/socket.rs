//! Where the server listens: a folder that only its user can enter, because whoever gets in is let in.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;
use xxhash_rust::xxh3::xxh3_64;

use super::{DATABASE, USER, account::Account, error::EmbeddedError};

const SOCKET: &str = ".s.PGSQL.5432";
/// By which the socket is named; where a URL leaves it out, `PGPORT` tells it.
const PORT: u16 = 5432;
/// `sun_path` of Linux, less its closing zero.
const LONGEST: usize = 107;

/// The socket's folder for the cluster in `dir`: inside, or a short one under `/tmp` where the path would not fit
/// or, by a comma in it, be two folders to libpq.
pub(super) fn dir_for(dir: &Path) -> PathBuf {
    let inside = dir.join("run");
    let bytes = inside.as_os_str().as_encoded_bytes();
    if path(&inside).as_os_str().len() <= LONGEST && !bytes.contains(&b',') {
        return inside;
    }
    let hash = xxh3_64(dir.as_os_str().as_encoded_bytes());
    PathBuf::from(format!("/tmp/hiersync-{}-{hash:016x}", geteuid()))
}

/// The socket in its folder.
pub(super) fn path(socket_dir: &Path) -> PathBuf {
    socket_dir.join(SOCKET)
}

/// Makes the folder, for the server's user alone, and clears it of what a dead server left. None may be running.
pub(super) fn prepare(socket_dir: &Path, account: &Account) -> Result<(), EmbeddedError> {
    match DirBuilder::new().mode(0o700).create(socket_dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(EmbeddedError::io("create", socket_dir)(error)),
        _ => {}
    }
    // A symlink is not followed: in /tmp anybody may have put it there.
    let meta = fs::symlink_metadata(socket_dir).map_err(EmbeddedError::io("look at", socket_dir))?;
    if !meta.is_dir() || !account.may_have(&meta) {
        return Err(EmbeddedError::ForeignSocketDir(socket_dir.to_owned()));
    }
    account.own(socket_dir)?;
    forget(&path(socket_dir).with_added_extension("lock"))?;
    fs::set_permissions(socket_dir, Permissions::from_mode(0o700)).map_err(EmbeddedError::io("close to others", socket_dir))
}

/// Postgres would not start while the process in this file exists, be it a zombie or another by now.
fn forget(lock: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_file(lock) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(EmbeddedError::io("remove", lock)(error)),
        _ => Ok(()),
    }
}

/// A URL that libpq and sqlx read alike; with the user before an empty host, sqlx refuses it.
pub(super) fn url(socket_dir: &Path) -> String {
    let host: String = socket_dir.as_os_str().as_encoded_bytes().iter().map(|byte| encode(*byte)).collect();
    format!("postgres:///{DATABASE}?host={host}&port={PORT}&user={USER}&sslmode=disable")
}

fn encode(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// The folder as an entry of `unix_socket_directories`, a list in which commas divide and quotes protect.
pub(super) fn quote(socket_dir: &Path) -> String {
    format!("\"{}\"", socket_dir.display().to_string().replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_lies_inside_where_its_path_fits() {
        let fits = PathBuf::from(format!("/{}", "d".repeat(LONGEST - 1 - "/run/.s.PGSQL.5432".len())));
        assert_eq!(dir_for(&fits), fits.join("run"));
        let long = PathBuf::from(format!("{}d", fits.display()));
        assert!(dir_for(&long).starts_with("/tmp"));
        assert!(path(&dir_for(&long)).as_os_str().len() <= LONGEST);
        assert_ne!(dir_for(&long), dir_for(&long.join("other")));
        assert!(dir_for(Path::new("/a, b")).starts_with("/tmp"));
    }

    #[test]
    fn the_url_survives_spaces_and_signs() {
        let url = url(Path::new("/a b/ö+%&/run"));
        assert_eq!(url, "postgres:///hiersync?host=%2Fa%20b%2F%C3%B6%2B%25%26%2Frun&port=5432&user=hiersync&sslmode=disable");
        let parsed = url::Url::parse(&url).unwrap();
        let pairs: Vec<_> = parsed.query_pairs().into_owned().collect();
        assert_eq!(pairs[0], ("host".into(), "/a b/ö+%&/run".into()));
        assert_eq!(parsed.path(), "/hiersync");
        assert!(url::Url::parse("postgres://hiersync@/hiersync?host=%2Frun").is_err());
    }

    #[test]
    fn the_folder_is_one_entry_whatever_its_name() {
        assert_eq!(quote(Path::new("/a, \"b\"/run")), "\"/a, \"\"b\"\"/run\"");
    }

    #[test]
    fn somebody_elses_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("run");
        std::os::unix::fs::symlink(dir.path(), &place).unwrap();
        let account = Account::of(dir.path()).unwrap();
        assert!(matches!(prepare(&place, &account), Err(EmbeddedError::ForeignSocketDir(_))));
    }
}
