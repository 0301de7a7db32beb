//! The folder of the embedded cluster: what lies where, and whose it is.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    unistd::{AccessFlags, access, geteuid},
};
use tracing::warn;

use super::{account::Account, error::EmbeddedError, socket};

/// A log that has grown longer is begun anew; the one before it is kept.
const LONGEST_LOG: u64 = 4 << 20;

/// The folder, which exists.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    socket_dir: PathBuf,
    account: Account,
}

impl Home {
    /// Whether the folder could be opened, as far as that can be seen without changing anything.
    pub(super) fn look(dir: &Path) -> Result<(), EmbeddedError> {
        is_ours(dir)?;
        let there = dir.ancestors().find(|folder| folder.exists()).unwrap_or(dir);
        let found = if there.is_dir() { access(there, AccessFlags::W_OK | AccessFlags::X_OK) } else { Err(Errno::ENOTDIR) };
        found.map_err(|errno| EmbeddedError::io("write into", there)(errno.into()))
    }

    /// Makes the folder if it is missing.
    pub(super) fn open(dir: &Path) -> Result<Self, EmbeddedError> {
        is_ours(dir)?;
        DirBuilder::new().recursive(true).mode(mode_of_home()).create(dir).map_err(EmbeddedError::io("create", dir))?;
        // Two ways to the same folder must lead to the same socket.
        let dir = dir.canonicalize().map_err(EmbeddedError::io("find", dir))?;
        let account = Account::of(&dir)?;
        let home = Self { socket_dir: socket::dir_for(&dir), dir, account };
        open_for(&home.account, &home.users_lock())?;
        open_for(&home.account, &home.server_lock())?;
        Ok(home)
    }

    /// The folder, without symlinks.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the socket.
    pub(super) fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Who the server runs as.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// The data directory.
    pub(super) fn pgdata(&self) -> PathBuf {
        Self::pgdata_of(&self.dir)
    }

    /// That of the home which `dir` is, or would be.
    pub(super) fn pgdata_of(dir: &Path) -> PathBuf {
        dir.join("pgdata")
    }

    /// The data directory until it is whole.
    pub(super) fn pgdata_new(&self) -> PathBuf {
        self.dir.join("pgdata.new")
    }

    /// Shared by all users; held alone by a supervisor that stops.
    pub(super) fn users_lock(&self) -> PathBuf {
        self.dir.join("users.lock")
    }

    /// Held alone by the supervisor.
    pub(super) fn server_lock(&self) -> PathBuf {
        self.dir.join("server.lock")
    }

    /// What the server and its supervisor write.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// Postgres refuses data that others can get at: what somebody has opened is closed again, and said.
    pub(super) fn close_data(&self) -> Result<(), EmbeddedError> {
        // Who may write into the folder could put other data in their place; to pass through it is the server's user's right.
        self.close(&self.dir, 0o7022, mode_of_home())?;
        self.close(&self.pgdata(), 0o7077, 0o700)
    }

    fn close(&self, folder: &Path, too_open: u32, mode: u32) -> Result<(), EmbeddedError> {
        // Not through a symlink, and not what is somebody else's.
        let Ok(meta) = fs::symlink_metadata(folder) else { return Ok(()) };
        if !meta.is_dir() || !self.account.may_have(&meta) || meta.mode() & too_open == 0 {
            return Ok(());
        }
        warn!(folder = %folder.display(), mode = format!("{:o}", meta.mode() & 0o7777), "the folder was open to others: it is closed again");
        fs::set_permissions(folder, Permissions::from_mode(mode)).map_err(EmbeddedError::io("close to others", folder))
    }

    /// Makes sure that the server's user gets into the folder.
    pub(super) fn admit_server(&self) -> Result<(), EmbeddedError> {
        self.account.admit_to(&self.dir)
    }

    /// Opens the log to be written at its end.
    pub(super) fn open_log(&self) -> Result<File, EmbeddedError> {
        if let Err(error) = self.rotate_log() {
            warn!(error = %error, "the server's log could not be begun anew");
        }
        open_for(&self.account, &self.log())
    }

    /// Begins the log anew where it has grown long. Who has it open goes on at its end, which is its beginning then.
    pub(super) fn rotate_log(&self) -> Result<(), EmbeddedError> {
        let (path, earlier) = (self.log(), self.dir.join("server.log.1"));
        let mut log = open_for(&self.account, &path)?;
        if log.metadata().is_ok_and(|meta| meta.len() <= LONGEST_LOG) {
            return Ok(());
        }
        let copied = open_for(&self.account, &earlier).and_then(|mut kept| {
            let copied = kept.set_len(0).and_then(|()| io::copy(&mut log, &mut kept));
            copied.map(drop).map_err(EmbeddedError::io("write", &earlier))
        });
        // A full disk is the last reason not to.
        log.set_len(0).map_err(EmbeddedError::io("shorten", &path))?;
        copied
    }
}

/// A folder that holds other things and none of ours is somebody else's: in it we would change modes and owners.
fn is_ours(dir: &Path) -> Result<(), EmbeddedError> {
    let names: Vec<OsString> = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    // A file system of its own has a folder of its own.
    let is_empty = names.iter().all(|name| name == "lost+found");
    if is_empty || names.iter().any(|name| name == "users.lock" || name == "pgdata") {
        Ok(())
    } else {
        Err(EmbeddedError::ForeignHome(dir.to_owned()))
    }
}

/// As root, the server's user must be able to pass; as anybody else, nobody needs to.
fn mode_of_home() -> u32 {
    if geteuid().is_root() { 0o711 } else { 0o700 }
}

/// Opens a file of the folder. What root makes here belongs to the server's user, who may come without root next time.
fn open_for(account: &Account, path: &Path) -> Result<File, EmbeddedError> {
    let mut options = OpenOptions::new();
    // No symlinks: root must not be led astray by the owner of the folder.
    options.read(true).append(true).create(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let file = options.open(path).map_err(EmbeddedError::io("open", path))?;
    account.own_file(&file).map_err(EmbeddedError::io("give away", path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_and_one_of_ours_can_be_the_home() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["empty", "ours", "theirs"] {
            fs::create_dir(at(name)).unwrap();
        }
        for file in ["ours/users.lock", "ours/notes", "theirs/notes", "file"] {
            fs::write(at(file), "").unwrap();
        }
        for fits in ["empty", "ours", "not/there/yet"] {
            assert!(Home::look(&at(fits)).is_ok(), "{fits}");
        }
        assert!(matches!(Home::look(&at("theirs")), Err(EmbeddedError::ForeignHome(_))));
        assert!(matches!(Home::open(&at("theirs")), Err(EmbeddedError::ForeignHome(_))));
        for fault in ["file", "file/below"] {
            assert!(matches!(Home::look(&at(fault)), Err(EmbeddedError::Io { .. })), "{fault}");
        }
    }
}
