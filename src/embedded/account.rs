//! Which user of the system the server runs as: ourselves, or as root somebody else, because Postgres refuses root.

use std::{
    fs::{self, File, Metadata, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, fchown},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::{Uid, User, getegid, geteuid};

use super::error::EmbeddedError;

/// Who takes over from root, the first that exists. A user without an entry cannot run `initdb`.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// A user of the system.
#[derive(Debug, Clone)]
pub struct Account {
    uid: u32,
    gid: u32,
    /// Root's stand-in: files must be given to it, processes put under it.
    stand_in: bool,
}

impl Account {
    /// The user for the server in `dir`: as root, whoever owns the data or the folder already, so that a look by
    /// root does not take them from the daemon's user.
    pub(super) fn of(dir: &Path) -> Result<Self, EmbeddedError> {
        if !geteuid().is_root() {
            return Ok(Self { uid: geteuid().as_raw(), gid: getegid().as_raw(), stand_in: false });
        }
        let owner = [dir.join("pgdata"), dir.to_owned()].iter().filter_map(|path| fs::metadata(path).ok()).find(|meta| meta.uid() != 0);
        if let Some(meta) = owner {
            // Not the folder's group: it may be root's.
            let gid = User::from_uid(Uid::from_raw(meta.uid())).ok().flatten().map_or(meta.gid(), |user| user.gid.as_raw());
            return Ok(Self { uid: meta.uid(), gid, stand_in: true });
        }
        let user = STAND_INS.iter().find_map(|name| User::from_name(name).ok().flatten()).ok_or(EmbeddedError::NoAccount)?;
        Ok(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw(), stand_in: true })
    }

    /// Makes `command` run as this user, without root's groups.
    pub(super) fn run(&self, command: &mut Command) {
        if self.stand_in {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Gives `path` to this user.
    pub(super) fn own(&self, path: &Path) -> Result<(), EmbeddedError> {
        if self.stand_in {
            chown(path, Some(self.uid), Some(self.gid)).map_err(EmbeddedError::io("give away", path))?;
        }
        Ok(())
    }

    /// Gives an open file to this user, if root has just made it: of other names of the file we know nothing.
    pub(super) fn own_file(&self, file: &File) -> io::Result<()> {
        let meta = file.metadata()?;
        if self.stand_in && meta.uid() == 0 && meta.nlink() == 1 { fchown(file, Some(self.uid), Some(self.gid)) } else { Ok(()) }
    }

    /// Whether `meta` is of a file of this user, or of ours to give to it.
    pub(super) fn may_have(&self, meta: &Metadata) -> bool {
        meta.uid() == self.uid || (self.stand_in && meta.uid() == 0)
    }

    /// Lets this user pass through `dir`, which is ours to open; what lies above it is not.
    pub(super) fn admit_to(&self, dir: &Path) -> Result<(), EmbeddedError> {
        if !self.stand_in {
            return Ok(());
        }
        if let Some(blocked_by) = self.first_closed(dir.parent().unwrap_or(dir)) {
            return Err(EmbeddedError::Unreachable { user: self.name(), blocked_by });
        }
        let meta = fs::metadata(dir).map_err(EmbeddedError::io("look at", dir))?;
        if !self.may_pass(&meta) {
            chown(dir, None, Some(self.gid)).map_err(EmbeddedError::io("give a group to", dir))?;
            let mode = Permissions::from_mode(meta.mode() | 0o010);
            fs::set_permissions(dir, mode).map_err(EmbeddedError::io("open to the server", dir))?;
        }
        Ok(())
    }

    fn first_closed(&self, dir: &Path) -> Option<PathBuf> {
        let mut way: Vec<&Path> = dir.ancestors().collect();
        way.reverse();
        way.into_iter().find(|step| !fs::metadata(step).is_ok_and(|meta| self.may_pass(&meta))).map(Path::to_owned)
    }

    /// By mode alone: access lists are not read.
    fn may_pass(&self, meta: &Metadata) -> bool {
        let bit = match () {
            () if meta.uid() == self.uid => 0o100,
            () if meta.gid() == self.gid => 0o010,
            () => 0o001,
        };
        meta.mode() & bit != 0
    }

    fn name(&self) -> String {
        User::from_uid(Uid::from_raw(self.uid)).ok().flatten().map_or_else(|| self.uid.to_string(), |user| user.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed_to(uid_offset: u32, mode: u32) -> bool {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
        let meta = fs::metadata(dir.path()).unwrap();
        let account = Account { uid: meta.uid() + uid_offset, gid: meta.gid() + uid_offset, stand_in: true };
        account.first_closed(&dir.path().canonicalize().unwrap()).is_some()
    }

    #[test]
    fn the_way_is_closed_where_the_user_lacks_the_right_to_search() {
        assert!(!closed_to(0, 0o700));
        assert!(closed_to(0, 0o077));
        assert!(closed_to(7, 0o750));
        assert!(!closed_to(7, 0o711));
    }
}
